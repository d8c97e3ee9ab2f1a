//! Everything that FreeSWITCH says about a channel, taken from a recorded call: the answer to `connect` and the form
//! that mod_xml_curl posts.
//!
//! The recorded headers, their order and their encoding stay; a call's own values take the places of the recorded ones.

use super::recording;
use super::text::{bytes_of, url_decoded, url_encoded};

/// `connect` answered: 167 headers of a SIP call that rings.
const CONNECT: &str = "out-21-path.txt";
/// A form of 6.1 kB for the dialplan.
const FORM: &str = "http-01-xml_curl-cidlookup-curl.txt";

/// Bytes of one block of a recording: from the line after `mark` to the next line that begins with `== ` or `# `.
pub fn block(file: &str, mark: &str) -> Vec<u8> {
    let text = recording(file);
    let from = text.find(mark).unwrap_or_else(|| panic!("{file} has no {mark}"));
    let lines = text[from..].split_inclusive('\n').skip(1).take_while(|l| !l.starts_with("== ") && !l.starts_with("# "));
    let mut bytes = Vec::new();
    for line in lines {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '\\' { chars.next() } else { None }) {
                ('\\', Some('n')) => bytes.push(b'\n'),
                ('\\', Some('r')) => bytes.push(b'\r'),
                ('\\', Some('x')) => {
                    let hex: String = chars.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                ('\\', Some(other)) => bytes.extend(other.to_string().bytes()),
                (other, _) => bytes.extend(other.to_string().bytes()),
            }
        }
    }
    bytes
}

/// Headers of the recorded answer to `connect`, decoded.
pub fn connect_headers() -> Vec<(String, String)> {
    let bytes = block(CONNECT, "== F>S t=0.005505");
    let text = String::from_utf8(bytes).unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), url_decoded(value)));
    text.lines().filter_map(header).collect()
}

/// Fields of the recorded form, decoded, behind `key_value=`.
fn form_fields() -> Vec<(String, String)> {
    let bytes = block(FORM, "== F>H t=1.418508");
    let text = String::from_utf8(bytes).unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    body.split('&').skip(5).filter_map(|f| f.split_once('=')).map(|(n, v)| (n.to_owned(), url_decoded(v))).collect()
}

/// What is known of a channel.
pub struct Snapshot<'a> {
    pub uuid: &'a str,
    /// Fields of the profile by their header's name behind `Caller-`, such as `Caller-ID-Number`.
    pub profile: &'a [(String, String)],
    /// Fields of the profile that is hunted for.
    pub hunted: &'a [(String, String)],
    pub variables: &'a [(String, String)],
    pub answered: bool,
    pub mode: &'a str,
    pub control: &'a str,
}

impl Snapshot<'_> {
    fn value(&self, name: &str, recorded: &str) -> String {
        let find = |fields: &[(String, String)], field: &str| fields.iter().find(|(n, _)| n == field).map(|(_, v)| v.clone());
        match name {
            "Unique-ID" | "Channel-Call-UUID" => self.uuid.to_owned(),
            "Answer-State" if self.answered => "answered".to_owned(),
            "Socket-Mode" => self.mode.to_owned(),
            "Control" => self.control.to_owned(),
            _ => match name.split_once('-') {
                Some(("Caller" | "Channel", field)) => find(self.profile, field).unwrap_or_else(|| recorded.to_owned()),
                Some(("Hunt", field)) => find(self.hunted, field).unwrap_or_else(|| recorded.to_owned()),
                _ => recorded.to_owned(),
            },
        }
    }

    /// The answer to `connect`, whole.
    pub fn connect_reply(&self) -> Vec<u8> {
        let mut out = String::new();
        let mut variables_done = false;
        for (name, recorded) in connect_headers() {
            if name.starts_with("variable_") {
                if !variables_done {
                    for (name, value) in self.variables.iter().filter(|(_, v)| !v.is_empty()) {
                        out.push_str(&format!("variable_{name}: {}\n", url_encoded(value)));
                    }
                }
                variables_done = true;
                continue;
            }
            let value = self.value(&name, &recorded);
            if !value.is_empty() {
                out.push_str(&format!("{name}: {}\n", url_encoded(&value)));
            }
        }
        out.push('\n');
        bytes_of(&out)
    }

    /// The body that mod_xml_curl posts for a section.
    pub fn form(&self, section: &str) -> Vec<u8> {
        let mut out = format!("hostname=lab&section={section}&tag_name=&key_name=&key_value=");
        let mut variables_done = false;
        for (name, recorded) in form_fields() {
            if name.starts_with("variable_") {
                if !variables_done {
                    for (name, value) in self.variables.iter().filter(|(_, v)| !v.is_empty()) {
                        out.push_str(&format!("&variable_{name}={}", url_encoded(value)));
                    }
                }
                variables_done = true;
                continue;
            }
            let value = self.value(&name, &recorded);
            if !value.is_empty() {
                out.push_str(&format!("&{name}={}", url_encoded(&value)));
            }
        }
        bytes_of(&out)
    }
}
