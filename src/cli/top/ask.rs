//! Asking the server, and asking again once it is back.

use super::state::Sample;
use crate::cli::backend::{said, unexpected};
use crate::cli::exit::{Exit, Failure};
use crate::clock::{Clock, SystemClock};
use crate::control::{Client, Reply, Request};
use std::path::PathBuf;

/// Live calls that are asked for, at most; a page has some hundreds or thousands. Nobody reads more.
const PAGES_MAX: usize = 3;

/// A connection that is made anew when it broke.
pub(super) struct Asker {
    admin: PathBuf,
    tenant: String,
    client: Option<Client>,
}

impl Asker {
    pub(super) fn new(admin: PathBuf, tenant: String) -> Asker {
        Asker { admin, tenant, client: None }
    }

    /// How things stand.
    pub(super) fn sample(&mut self) -> Result<Sample, Failure> {
        let sampled = self.try_sample();
        if sampled.is_err() {
            self.client = None;
        }
        sampled
    }

    fn try_sample(&mut self) -> Result<Sample, Failure> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.admin)?,
        };
        let Reply::Status(status) = said(client.ask(&Request::Status)?)? else { return Err(unexpected()) };
        let (mut raw, mut note, mut after) = (Vec::new(), None, None);
        for _ in 0..PAGES_MAX {
            match said(client.ask(&Request::LiveCalls { tenant: self.tenant.clone(), after })?) {
                Ok(Reply::Calls { calls, next, .. }) => {
                    raw.extend(calls);
                    after = next;
                }
                Ok(_) => return Err(unexpected()),
                // without switches there are no calls to show, and the rest is worth seeing
                Err(failure) if failure.exit == Exit::BadInput => {
                    note = Some(failure.text);
                    break;
                }
                Err(failure) => return Err(failure),
            }
            if after.is_none() {
                break;
            }
        }
        self.client = Some(client);
        Ok(Sample::new(SystemClock.now_us(), SystemClock.monotonic_us(), *status, raw, note))
    }
}
