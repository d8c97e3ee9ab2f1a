//! `top`: how the server is doing, in a terminal, drawn anew each second.
//!
//! Asking and drawing are apart: a thread asks the server, which may say nothing for a while, and keys are answered all the
//! same. What is drawn is a function of [`State`] alone.

mod ask;
mod draw;
mod state;
#[cfg(test)]
mod tests;

use super::args::Global;
use super::backend::overrides;
use super::exit::{Exit, Failure};
use super::print;
use crate::config::Config;
use crate::daemon::threads::{Priority, spawn};
use ask::Asker;
use clap::Args;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGTERM};
use state::State;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// How often keys and signals are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// The size of what `--once` prints.
const ONCE: (u16, u16) = (80, 24);

#[derive(Debug, Args)]
#[command(after_help = "Keys: q or Ctrl-C ends; arrows, PgUp, PgDn, Home and End move through the calls; / shows only the calls \
in which a text stands, Esc all of them.")]
pub(super) struct TopArgs {
    /// Ask the server again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Print one frame as plain text and end, for scripts
    #[arg(long)]
    once: bool,
}

pub(super) fn top(global: &Global, args: &TopArgs) -> Result<Exit, Failure> {
    let config = Config::load(overrides(global))?;
    let interval = Duration::from_secs(args.interval);
    let mut asker = Asker::new(config.admin, global.tenant.clone());
    let first = asker.sample()?;
    let mut state = State::new(&global.tenant, first);
    if args.once || global.json {
        // how much a second takes two looks
        std::thread::sleep(interval.min(Duration::from_secs(1)));
        state.take(Ok(asker.sample()?));
        if global.json {
            print::json(&json!({ "status": state.now.status, "calls_per_second": state.calls_per_second(), "calls": state.now.raw }));
        } else {
            print::out(&for_paper(&plain(&state, ONCE)?));
        }
        return Ok(Exit::Done);
    }
    if !stdout().is_terminal() {
        return Err(Failure::new(Exit::BadInput, "top draws on a terminal, and this is none; --once prints one frame as text"));
    }
    let (samples, coming) = sync_channel(1);
    spawn("top", Priority::Normal, move || {
        loop {
            std::thread::sleep(interval);
            if samples.send(asker.sample().map_err(|failure| failure.text)).is_err() {
                return;
            }
        }
    })
    .map_err(|e| Failure::new(Exit::Trouble, e.to_string()))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, stop.clone()).map_err(|e| Failure::new(Exit::Trouble, e.to_string()))?;
    }
    // a panic gives the terminal back before it is printed
    let terminal = ratatui::try_init().map_err(|e| Failure::new(Exit::Trouble, format!("the terminal can't be used ({e})")))?;
    let watched = watch(terminal, state, &coming, &stop);
    ratatui::restore();
    watched.map_err(|e| Failure::new(Exit::Trouble, format!("the terminal can't be used ({e})")))?;
    Ok(Exit::Done)
}

type Sampled = Result<state::Sample, String>;

/// Draws until somebody has seen enough.
fn watch(mut terminal: DefaultTerminal, mut state: State, coming: &Receiver<Sampled>, stop: &AtomicBool) -> std::io::Result<()> {
    terminal.draw(|frame| draw::draw(frame, &state))?;
    while !stop.load(Ordering::Relaxed) {
        let mut is_new = false;
        for sample in coming.try_iter() {
            state.take(sample);
            is_new = true;
        }
        if event::poll(LOOK)? {
            is_new = true;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && pressed(&mut state, key)
            {
                break;
            }
        }
        if is_new {
            terminal.draw(|frame| draw::draw(frame, &state))?;
        }
    }
    Ok(())
}

/// Does what a key says; `true` to end.
fn pressed(state: &mut State, key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control && key.code == KeyCode::Char('c') {
        return true;
    }
    if state.is_typing {
        match key.code {
            KeyCode::Enter => state.is_typing = false,
            KeyCode::Esc => state.filter_by(None),
            KeyCode::Backspace => state.filter_less(),
            KeyCode::Char(c) if !is_control => state.filter_more(c),
            _ => {}
        }
        return false;
    }
    match key.code {
        KeyCode::Char('q') => return true,
        KeyCode::Char('/') => state.filter_by(Some(String::new())),
        KeyCode::Esc => state.filter_by(None),
        KeyCode::Up => state.move_by(-1),
        KeyCode::Down => state.move_by(1),
        KeyCode::PageUp => state.move_by(-10),
        KeyCode::PageDown => state.move_by(10),
        KeyCode::Home => state.move_by(isize::MIN),
        KeyCode::End => state.move_by(isize::MAX),
        _ => {}
    }
    false
}

/// A frame without what only a terminal needs: the keys, and the room for calls that aren't.
fn for_paper(frame: &str) -> String {
    let frame = frame.replace(draw::KEYS, "");
    frame.lines().map(str::trim_end).filter(|line| !line.is_empty()).fold(String::new(), |text, line| text + line + "\n")
}

/// A frame as text, with no blanks at the ends of its lines and no empty lines at its own.
fn plain(state: &State, (width, height): (u16, u16)) -> Result<String, Failure> {
    let mut terminal = match Terminal::new(TestBackend::new(width, height)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    match terminal.draw(|frame| draw::draw(frame, state)) {
        Ok(_) => {}
        Err(never) => match never {},
    }
    let buffer = terminal.backend().buffer();
    let line = |row: u16| (0..width).map(|column| buffer[(column, row)].symbol()).collect::<String>().trim_end().to_owned();
    let text = (0..height).map(line).collect::<Vec<_>>().join("\n");
    Ok(format!("{}\n", text.trim_end()))
}
