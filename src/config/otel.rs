//! `otel_endpoint` and `otel_sample`: which collector spans of calls are sent to, and of how many calls.

use super::{ConfigError, Source};
use hyper::Uri;

/// The part of calls that is traced where nobody says: enough to see how calls go, and little work.
pub(super) const SAMPLE: f64 = 0.01;
/// Where OTLP over HTTP takes traces, below a collector's address.
const PATH: &str = "/v1/traces";

/// How calls are traced.
#[derive(Debug, Clone, PartialEq)]
pub struct OtelConfig {
    /// The collector's address, `http://127.0.0.1:4318`; without one, calls are not traced.
    pub endpoint: Option<String>,
    /// The part of all calls whose spans are sent, from 0 to 1.
    pub sample: f64,
}

impl OtelConfig {
    /// Where spans are posted, if they are.
    pub fn traces_url(&self) -> Option<String> {
        let endpoint = self.endpoint.as_deref()?.trim_end_matches('/');
        // some write the whole address, because other programs want that
        Some(if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}{PATH}") })
    }
}

/// The collector's address: the flag's, else the file's. An empty one is none, as OpenTelemetry has it for its variables.
pub(super) fn endpoint(source: &Source, flag: Option<&str>, file: Option<&toml::Spanned<String>>) -> Result<Option<String>, ConfigError> {
    if let Some(text) = file {
        check(text.get_ref()).map_err(|why| source.at(text, format!("otel_endpoint = {why}")))?;
    }
    if let Some(text) = flag {
        let place = "--otel-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)".to_owned();
        check(text).map_err(|what| ConfigError { place, what })?;
    }
    let text = flag.filter(|text| !text.is_empty()).or(file.map(|text| text.get_ref().as_str()));
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// What is wrong with an address.
fn check(text: &str) -> Result<(), String> {
    const REMEDY: &str = "write \"http://127.0.0.1:4318\"";
    if text.is_empty() {
        return Ok(());
    }
    let url: Uri = text.parse().map_err(|_| format!("{text:?} is no address of a collector; {REMEDY}"))?;
    match (url.scheme_str(), url.authority()) {
        // what stands there may be a password, and isn't repeated
        (_, Some(authority)) if authority.as_str().contains('@') => {
            Err(format!("the address holds a password, which is not sent; put it into OTEL_EXPORTER_OTLP_HEADERS and {REMEDY}"))
        }
        (Some("http"), Some(_)) if url.query().is_none() => Ok(()),
        (Some("https"), _) => Err(format!("{text:?} wants TLS, which is not spoken here; run a collector on this machine and {REMEDY}")),
        _ => Err(format!("{text:?} is no address of a collector; {REMEDY}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Overrides};
    use super::*;

    fn load(text: &str, flag: Option<&str>) -> Result<OtelConfig, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let flags = Overrides { config: Some(file.path().into()), otel_endpoint: flag.map(str::to_owned), ..Overrides::default() };
        Config::load(flags).map(|config| config.otel).map_err(|e| e.to_string())
    }

    #[test]
    fn spans_go_to_the_flags_collector_else_to_the_files_else_nowhere() {
        let file = "otel_endpoint = \"http://127.0.0.1:4318\"\notel_sample = 1\n";
        let url = |flag| load(file, flag).unwrap().traces_url();
        assert_eq!(url(None).as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        assert_eq!(url(Some("http://collector:80/otlp/")).as_deref(), Some("http://collector:80/otlp/v1/traces"));
        assert_eq!(url(Some("http://collector/v1/traces")).as_deref(), Some("http://collector/v1/traces"));
        assert_eq!(url(Some("")).as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        assert_eq!(load("", None).unwrap(), OtelConfig { endpoint: None, sample: SAMPLE });
        assert_eq!(load(file, None).unwrap().sample, 1.0);
    }

    #[test]
    fn an_address_that_nothing_can_be_sent_to_stops_the_start_with_a_remedy() {
        for (text, why) in [
            ("otel_endpoint = \"127.0.0.1:4318\"", "write \"http://127.0.0.1:4318\""),
            ("otel_endpoint = \"collector\"", "is no address of a collector"),
            ("otel_endpoint = \"http://a b\"", "is no address of a collector"),
            ("otel_endpoint = \"https://collector:4318\"", "TLS, which is not spoken here"),
            ("otel_sample = 1.5", "otel_sample = 1.5 is not between 0 and 1"),
            ("otel_sample = nan", "is not between 0 and 1"),
        ] {
            let error = load(text, None).expect_err(text);
            assert!(error.contains(":1: ") && error.contains(why), "{text}: {error}");
        }
        let error = load("", Some("http://me:hunter2@collector:4318")).unwrap_err();
        assert!(error.starts_with("--otel-endpoint") && error.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
