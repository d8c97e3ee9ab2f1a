//! A fake inbound event socket's half of the conversation: FreeSWITCH's, as far as a client that listens needs it.
//!
//! Answers are as in the recorded sessions `in-01`, `in-04`, `in-07` and `in-08`. There is no channel and no registration,
//! so every listing is empty. Filters are taken and not applied: all events are those of channels.

use super::FloodPlan;
use super::session::{Talk, Turn, Wants};

/// What `show … as json` says of nothing.
const NO_ROWS: &str = "{\"row_count\":0}\n";

/// One connection's talk.
pub(super) struct EventSocket {
    user: String,
    secret: String,
    jobs: u64,
    is_in: bool,
}

impl EventSocket {
    pub(super) fn new(plan: &FloodPlan) -> EventSocket {
        EventSocket { user: plan.user.clone(), secret: plan.secret.clone(), jobs: 0, is_in: false }
    }

    /// Whether `auth SECRET` or `userauth USER:SECRET` is right.
    fn is_right(&self, verb: &str, rest: &str) -> bool {
        match verb {
            "auth" => rest == self.secret,
            _ => rest.split_once(':').is_some_and(|(user, secret)| user == self.user && secret == self.secret),
        }
    }
}

fn reply(text: &str) -> String {
    format!("Content-Type: command/reply\nReply-Text: {text}\n\n")
}

/// What an `api` call prints.
fn output(command: &str) -> String {
    match command.trim() {
        json if json.starts_with("show ") && json.ends_with(" as json") => NO_ROWS.to_owned(),
        "status" => "UP 0 years, 0 days\n".to_owned(),
        show if show.starts_with("show ") => "\n0 total.\n".to_owned(),
        "global_getvar core_uuid" => "ec559fa5-1fe7-48b4-9388-8a50cb924b8f".to_owned(),
        "hostname" | "switchname" => "flood".to_owned(),
        _ => "+OK\n".to_owned(),
    }
}

impl Talk for EventSocket {
    fn greeting(&self) -> String {
        "Content-Type: auth/request\n\n".to_owned()
    }

    fn hear(&mut self, lines: &[String]) -> Turn {
        let command = lines.first().map(String::as_str).unwrap_or_default();
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let mut turn = Turn { reply: String::new(), wants: None, is_over: false, is_refused: false };
        turn.reply = match verb {
            "auth" | "userauth" if self.is_right(verb, rest) => {
                self.is_in = true;
                reply("+OK accepted")
            }
            "auth" | "userauth" => {
                (turn.is_over, turn.is_refused) = (true, true);
                let farewell = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";
                reply("-ERR invalid") + &format!("Content-Type: text/disconnect-notice\nContent-Length: {}\n\n{farewell}", farewell.len())
            }
            _ if !self.is_in => reply("-ERR command not found"),
            "event" if rest.starts_with("json") => {
                turn.wants = Some(Wants::Everything);
                reply("+OK event listener enabled json")
            }
            "event" => reply("-ERR this flood speaks json"),
            "noevents" => {
                turn.wants = Some(Wants::Nothing);
                reply("+OK no longer listening for events")
            }
            "api" => {
                let text = output(rest);
                format!("Content-Type: api/response\nContent-Length: {}\n\n{text}", text.len())
            }
            "bgapi" => {
                let text = output(rest);
                self.jobs += 1;
                let own = lines.iter().find_map(|line| line.strip_prefix("Job-UUID:")).map(|id| id.trim().to_owned());
                let id = own.unwrap_or_else(|| format!("b0000000-0000-4000-8000-{:012}", self.jobs));
                let (name, argument) = rest.split_once(' ').unwrap_or((rest, ""));
                let event = serde_json::json!({
                    "Event-Name": "BACKGROUND_JOB", "Core-UUID": "ec559fa5-1fe7-48b4-9388-8a50cb924b8f", "Job-UUID": id,
                    "Job-Command": name, "Job-Command-Arg": argument, "Content-Length": text.len().to_string(), "_body": text,
                })
                .to_string();
                let answer = format!("Content-Type: command/reply\nReply-Text: +OK Job-UUID: {id}\nJob-UUID: {id}\n\n");
                answer + &format!("Content-Length: {}\nContent-Type: text/event-json\n\n{event}", event.len())
            }
            "exit" => {
                turn.is_over = true;
                reply("+OK bye")
            }
            "filter" => reply(&format!("+OK filter added. [{}]", rest.replace(' ', "]=["))),
            "nixevent" | "linger" | "nolinger" | "log" | "nolog" | "noop" => reply("+OK"),
            _ => reply("-ERR command not found"),
        };
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(socket: &mut EventSocket, text: &str) -> Turn {
        socket.hear(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn events_are_for_those_who_are_in_and_asked() {
        let plan = FloodPlan { secret: "ClueCon".into(), ..FloodPlan::default() };
        let mut socket = EventSocket::new(&plan);
        assert!(says(&mut socket, "event json ALL").reply.contains("-ERR command not found"));
        assert!(says(&mut socket, "auth ClueCon").reply.contains("+OK accepted"));
        assert_eq!(says(&mut socket, "event json CHANNEL_CREATE CUSTOM sofia::register").wants, Some(Wants::Everything));
        assert!(says(&mut socket, "api show channels as json").reply.ends_with("\n\n{\"row_count\":0}\n"));
        let job = says(&mut socket, "bgapi show channels as json\nJob-UUID: mine").reply;
        assert!(job.contains("Reply-Text: +OK Job-UUID: mine\n") && job.contains("\"Job-UUID\":\"mine\""), "{job}");
        let mut socket = EventSocket::new(&plan);
        let turn = says(&mut socket, "auth wrong");
        assert!(turn.is_over && turn.reply.contains("-ERR invalid") && turn.reply.contains("text/disconnect-notice"));
    }
}
