//! Opening hours.

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub id: String,
    pub timezone: Option<String>,
    pub revision: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    #[error("id")]
    Id(String),
}

#[derive(Debug)]
pub struct CompiledSchedule {
    schedule: Schedule,
}

pub struct State<'a>(&'a str);

impl State<'_> {
    pub fn word(&self) -> &str {
        self.0
    }
    pub fn why(&self) -> String {
        self.0.to_owned()
    }
    pub fn is_open(&self) -> bool {
        self.0 == "open"
    }
}

impl Schedule {
    pub fn check(self) -> Result<Schedule, ScheduleError> {
        Ok(self)
    }
    pub fn compile(&self) -> CompiledSchedule {
        CompiledSchedule { schedule: self.clone() }
    }
}

impl CompiledSchedule {
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
    pub fn state_at(&self, _at_us: u64) -> State<'_> {
        State("open")
    }
}
