//! Servers for a fake switch to ask: one that answers as a test says, over the socket and over HTTP, and those that
//! don't: dead, hung, closing, talking rubbish.

use super::text::url_decoded;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than a test may take.
const PLENTY: Duration = Duration::from_secs(20);

/// What a dialplan asked: headers of the channel by name, decoded, `variable_…` among them.
#[derive(Debug, Clone, Default)]
pub struct Question(pub BTreeMap<String, String>);

impl Question {
    /// A variable; empty if it isn't set.
    pub fn variable(&self, name: &str) -> &str {
        self.0.get(&format!("variable_{name}")).map(String::as_str).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The number that is asked for: over HTTP the one that is hunted for.
    pub fn to(&self) -> &str {
        let named = self.variable("strowger_to");
        if self.0.contains_key("Hunt-Destination-Number") || named.is_empty() { self.hunted("Destination-Number") } else { named }
    }

    fn hunted(&self, field: &str) -> &str {
        let hunted = self.header(&format!("Hunt-{field}"));
        if hunted.is_empty() { self.header(&format!("Caller-{field}")) } else { hunted }
    }
}

/// An answer: variables without `strowger_`; those that it doesn't name are empty.
pub type Answer = Vec<(&'static str, String)>;

/// Every variable of an answer, in the order in which they are set.
pub const VARIABLES: [&str; 11] =
    ["action", "target", "timeout", "options", "step", "route", "name", "contact", "reason", "callerid", "status"];

/// Who is asked. A test takes one, so that the real server can take the place of the scripted one.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The socket way.
    pub socket: SocketAddr,
    /// The HTTP ways.
    pub http: SocketAddr,
    /// What was asked, where the agent is a scripted one.
    pub asked: Arc<Mutex<Vec<Question>>>,
}

impl Agent {
    /// Answers as the closure says.
    pub fn answering(answer: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Agent {
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let (socket_answer, socket_asked) = (answer.clone(), asked.clone());
        let socket = listen(move |stream| serve_socket(stream, &*socket_answer, &socket_asked));
        let http_asked = asked.clone();
        let http = listen(move |stream| serve_http(stream, &*answer, &http_asked));
        Agent { socket, http, asked }
    }

    /// Answers one after another, and `continue` then.
    pub fn in_turn(answers: Vec<Answer>) -> Agent {
        let left = Mutex::new(answers.into_iter());
        Agent::answering(move |_| left.lock().unwrap().next().unwrap_or_else(|| vec![("action", "continue".to_owned())]))
    }

    /// Nobody listens there.
    pub fn dead() -> Agent {
        let refused = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Agent { socket: refused(), http: refused(), asked: Arc::default() }
    }

    /// Does with a connection what the closure does, on both doors.
    pub fn behaving(behaviour: impl Fn(TcpStream) + Send + Sync + 'static) -> Agent {
        let address = listen(behaviour);
        Agent { socket: address, http: address, asked: Arc::default() }
    }

    /// Accepts, and says nothing until the test is over.
    pub fn hung() -> Agent {
        Agent::behaving(|mut stream| drop(hear_out(&mut stream)))
    }

    /// Closes at once.
    pub fn closing() -> Agent {
        Agent::behaving(drop)
    }

    /// Says something, then reads until the other side closes.
    pub fn saying(bytes: &'static [u8]) -> Agent {
        Agent::behaving(move |mut stream| {
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            hear_out(&mut stream);
        })
    }

    /// Questions so far.
    pub fn questions(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

/// Listens; each connection has a thread of its own, and they end with the test.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(PLENTY));
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Reads until the other side closes.
pub fn hear_out(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    heard
}

/// Reads a frame's headers up to its empty line; empty if the other side has closed.
pub fn hear_frame(stream: &mut TcpStream) -> String {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\n\n") && matches!(stream.read(&mut byte), Ok(1)) {
        heard.push(byte[0]);
    }
    String::from_utf8(heard).unwrap_or_default()
}

/// The message that runs one application, its argument as a body.
pub fn execute(application: &str, argument: &str) -> String {
    let length = argument.len();
    format!(
        "sendmsg\ncall-command: execute\nexecute-app-name: {application}\ncontent-type: text/plain\ncontent-length: {length}\n\n{argument}"
    )
}

/// All variables of an answer, and the caller's name where there is one.
fn pairs(answer: &Answer) -> Vec<(String, String)> {
    let value = |name: &str| answer.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let mut pairs = Vec::new();
    if !value("name").is_empty() {
        pairs.push(("effective_caller_id_name".to_owned(), value("name")));
    }
    if !value("callerid").is_empty() {
        pairs.push(("effective_caller_id_number".to_owned(), value("callerid")));
    }
    for name in VARIABLES {
        let value = match (name, value(name)) {
            ("status", v) if v.is_empty() => "found".to_owned(),
            (_, v) => v,
        };
        pairs.push((format!("strowger_{name}"), value));
    }
    pairs
}

fn serve_socket(mut stream: TcpStream, answer: &dyn Fn(&Question) -> Answer, asked: &Mutex<Vec<Question>>) {
    let _ = stream.write_all(b"connect\n\n");
    let headers = hear_frame(&mut stream);
    let header = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_owned(), url_decoded(v)));
    let question = Question(headers.lines().filter_map(header).collect());
    let variables = pairs(&answer(&question));
    asked.lock().unwrap().push(question);
    // read three times: as an argument, as a list, as a value
    let escape = |v: &str| v.replace('\\', &"\\".repeat(8)).replace('\'', "\\\\'");
    let list: Vec<String> = variables.iter().map(|(n, v)| format!("{n}={}", escape(v))).collect();
    let _ = stream.write_all(execute("multiset", &format!("^^\u{1}{}", list.join("\u{1}"))).as_bytes());
    hear_frame(&mut stream);
    let _ = stream.write_all(b"exit\n\n");
    hear_out(&mut stream);
}

/// Reads a request; the target of its first line, and its body.
fn hear_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => heard.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(heard).ok()?;
    let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head.split(' ').nth(1)?.to_owned(), String::from_utf8(body).ok()?))
}

/// Writes an answer, and closes.
pub fn respond(stream: &mut TcpStream, status: &str, content_type: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn serve_http(mut stream: TcpStream, answer: &dyn Fn(&Question) -> Answer, asked: &Mutex<Vec<Question>>) {
    let Some((target, body)) = hear_request(&mut stream) else { return };
    let fields = if body.is_empty() { target.split_once('?').map_or("", |(_, query)| query) } else { &body };
    let field = |f: &str| f.split_once('=').map(|(n, v)| (n.to_owned(), url_decoded(v)));
    let question = Question(fields.split('&').filter_map(field).collect());
    let answer = answer(&question);
    asked.lock().unwrap().push(question.clone());
    if target.starts_with("/name") {
        let name = answer.iter().find(|(n, _)| *n == "name").map(|(_, v)| v.as_str()).unwrap_or_default();
        respond(&mut stream, "200 OK", "text/plain", name);
    } else {
        respond(&mut stream, "200 OK", "text/xml", &document(&question, &answer));
    }
}

/// The document that says there is no dialplan here.
pub const NOT_FOUND: &str = r#"<document type="freeswitch/xml"><section name="result"><result status="not found"/></section></document>"#;

/// An answer as an extension, as the server's contract says.
fn document(question: &Question, answer: &Answer) -> String {
    let variables = pairs(answer);
    let value = |name: &str| variables.iter().find(|(n, _)| n == &format!("strowger_{name}")).map(|(_, v)| v.as_str()).unwrap_or_default();
    // read twice: as an argument, as a value
    let twice = |v: &str| v.replace('\\', &"\\".repeat(4));
    let mut actions: Vec<(&str, String)> = variables.iter().map(|(n, v)| ("set", format!("{n}={}", twice(v)))).collect();
    let target = value("target");
    let failed = match value("action") {
        "dial" => {
            for setting in [format!("call_timeout={}", value("timeout")), "continue_on_fail=true".into(), "hangup_after_bridge=true".into()]
            {
                actions.push(("set", setting));
            }
            if target.contains(":_:") {
                // what an "enterprise" originate doesn't do by itself
                actions.push(("ring_ready", String::new()));
                actions.push(("bridge", format!("<originate_timeout={}>{}{target}", value("timeout"), value("options"))));
                "originate_failed_cause"
            } else {
                actions.push(("bridge", format!("{}{target}", value("options"))));
                "originate_disposition"
            }
        }
        "playback" => {
            actions.extend([("answer", String::new()), ("playback", target.to_owned())]);
            "current_application_response"
        }
        "voicemail" => {
            actions.extend([("answer", String::new()), ("voicemail", format!("default $${{domain}} {target}")), ("hangup", String::new())]);
            ""
        }
        "goto" => {
            actions.push(("transfer", target.to_owned()));
            ""
        }
        "busy" => {
            actions.push(("hangup", "USER_BUSY".to_owned()));
            ""
        }
        _ => return NOT_FOUND.to_owned(),
    };
    let context = question.hunted("Context");
    if value("step").is_empty() {
        actions.push(("hangup", format!("${{{failed}}}")));
    } else {
        actions.push(("set", format!("strowger_status=${{{failed}}}")));
        actions.push(("transfer", format!("{} XML {context}", question.to())));
    }
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let actions: String = actions.iter().map(|(app, data)| format!("<action application=\"{app}\" data=\"{}\"/>", escape(data))).collect();
    format!(
        "<document type=\"freeswitch/xml\"><section name=\"dialplan\"><context name=\"{}\"><extension name=\"strowger\">\
         <condition>{actions}</condition></extension></context></section></document>",
        escape(context)
    )
}
