//! What is different in a configuration that is read anew.

use super::Config;

impl Config {
    /// The keys that say something else there, as the file calls them; tables by their names.
    pub fn changed_keys(&self, other: &Config) -> Vec<&'static str> {
        let tenants = |config: &Config| format!("{:?} {:?}", config.tenants, config.whose);
        let (allowed, others) = (&self.allowed, &other.allowed);
        [
            ("data", self.data != other.data),
            ("admin", self.admin != other.admin),
            ("agi", self.agi != other.agi),
            ("esl", self.esl != other.esl),
            ("lookup_http", self.lookup_http != other.lookup_http),
            ("http", self.http != other.http),
            ("agi_allow", allowed.agi != others.agi),
            ("esl_allow", allowed.esl != others.esl),
            ("lookup_http_allow", allowed.lookup_http != others.lookup_http),
            ("http_allow", allowed.http != others.http),
            ("answer_budget_ms", self.answer_budget != other.answer_budget),
            ("sessions_max", self.sessions_max != other.sessions_max),
            ("call_threads", self.call_threads != other.call_threads),
            ("log", self.log != other.log),
            ("log_format", self.log_format != other.log_format),
            ("log_numbers", self.log_numbers != other.log_numbers),
            ("otel_endpoint or otel_sample", self.otel != other.otel),
            ("[dial] or [[tenant]]", tenants(self) != tenants(other)),
            ("[[switch]]", self.switches != other.switches),
            ("[events]", self.events != other.events),
        ]
        .into_iter()
        .filter_map(|(key, is_changed)| is_changed.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    fn load(text: &str) -> Config {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() }).unwrap()
    }

    #[test]
    fn what_changed_is_named_as_the_file_calls_it() {
        let before = load("");
        assert!(before.changed_keys(&load("# nothing\n")).is_empty());
        for (text, key) in [
            ("agi = \"127.0.0.1:9999\"\n", "agi"),
            ("http_allow = [\"192.0.2.1\"]\n", "http_allow"),
            ("answer_budget_ms = 99\n", "answer_budget_ms"),
            ("log = \"debug\"\n", "log"),
            ("log_numbers = true\n", "log_numbers"),
            ("[dial.asterisk]\nextension = \"SIP/{extension}\"\n", "[dial] or [[tenant]]"),
            ("[[tenant]]\nid = \"default\"\ncountry = \"DE\"\n", "[dial] or [[tenant]]"),
            ("[events]\njournal_days = 3\n", "[events]"),
        ] {
            let after = load(text);
            after.tenants["default"].plan.warm_up();
            assert_eq!(before.changed_keys(&after), [key], "{text}");
            assert!(after.changed_keys(&load(text)).is_empty(), "{text}");
        }
        let switch = |secret: &str| {
            load(&format!(
                "[[switch]]\nname = \"a\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:5038\"\nuser = \"u\"\nsecret = \"{secret}\"\n"
            ))
        };
        assert_eq!(switch("one").changed_keys(&switch("two")), ["[[switch]]"], "a secret that is not shown is compared all the same");
    }
}
