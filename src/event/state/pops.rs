//! Screen pops: open while a phone rings, closed exactly once.
//!
//! Nothing here follows events. After each of them the screens that should be up are read from the call's legs, and
//! compared with those that are: so whatever comes in whatever order, each opens and closes in turn.

use super::call::Call;
use crate::cti::{CallView, LegState, Pop, PopEnd};
use std::sync::Arc;

/// Opens and closes what has to be; the view is only made if there is something to say.
pub(super) fn settle(call: &mut Call, view: &mut impl FnMut(&Call) -> Arc<CallView>, over: bool) -> Vec<Pop> {
    let mut pops = Vec::new();
    let wanted = |call: &Call, extension: &str| !over && call.legs.iter().any(|leg| leg.pops() && leg.extension() == extension);
    let closing: Vec<String> = call.pops.iter().filter(|extension| !wanted(call, extension)).cloned().collect();
    for extension in closing {
        let (closed, winner) = why(call, &extension);
        call.pops.retain(|open| *open != extension);
        pops.push(Pop { extension, closed: Some(closed), winner, call: view(call) });
    }
    if over {
        return pops;
    }
    let mut opening: Vec<String> = Vec::new();
    for leg in call.legs.iter().filter(|leg| leg.pops() && leg.view.state == LegState::Ringing) {
        let extension = leg.extension();
        if !call.pops.iter().chain(&opening).any(|open| open == extension) {
            opening.push(extension.to_owned());
        }
    }
    for extension in opening {
        call.pops.push(extension.clone());
        pops.push(Pop { extension, closed: None, winner: None, call: view(call) });
    }
    pops
}

fn why(call: &Call, extension: &str) -> (PopEnd, Option<String>) {
    let mine = || call.legs.iter().filter(|leg| leg.extension() == extension);
    let shown = || call.legs.iter().rev().filter(|leg| leg.is_shown());
    // where the switch drops the others before it says who has won, it is the one that is up
    let winner = || shown().find(|leg| leg.won).or_else(|| shown().find(|leg| leg.view.state == LegState::Up));
    let winner = || winner().map(|leg| leg.extension().to_owned());
    if mine().any(|leg| leg.won) {
        (PopEnd::Answered, Some(extension.to_owned()))
    } else if mine().any(|leg| leg.lost)
        && let Some(winner) = winner()
    {
        (PopEnd::AnsweredElsewhere, Some(winner))
    } else {
        (PopEnd::Ended, None)
    }
}
