//! What the planes say of themselves, for administrators.

use super::otel;
use crate::call::{AnswerSeries, CallPlane, Ending};
use crate::control::{AnswerSeriesView, EventStatus, PlaneStatus, PlaneStatusSource};
use crate::cti::PlaneStats;
use crate::telemetry::StepCounts;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

fn series_view(of: AnswerSeries) -> AnswerSeriesView {
    let (switch, request, outcome) = (of.switch.to_owned(), of.request.to_owned(), of.outcome.to_owned());
    AnswerSeriesView { switch, request, outcome, counts: of.counts, sum_us: of.sum_us }
}

pub(super) fn plane_status(
    plane: &Arc<CallPlane>,
    doors: [(&str, SocketAddr); 4],
    admin: PathBuf,
    dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    stats: Arc<PlaneStats>,
    spans: Option<Arc<StepCounts>>,
) -> PlaneStatusSource {
    let (plane, began) = (plane.clone(), Instant::now());
    let mut listening: Vec<_> = doors.iter().map(|(door, address)| ((*door).to_owned(), address.to_string())).collect();
    listening.push(("admin".to_owned(), admin.display().to_string()));
    Arc::new(move || PlaneStatus {
        uptime_seconds: began.elapsed().as_secs(),
        listening: listening.clone(),
        sessions: plane.sessions() as u64,
        endings: Ending::ALL.iter().map(|e| (e.word().to_owned(), plane.stats.of(*e))).collect(),
        late: plane.stats.late.get(),
        accept_errors: plane.stats.accept_errors.get(),
        log_lines_dropped: dropped(),
        events: Some(EventStatus::of(&stats)),
        sessions_max: plane.sessions_max() as u64,
        answer_budget_us: plane.answerer.budget().as_micros() as u64,
        answer_times: plane.answerer.times().counts(),
        answers: plane.answerer.times().series().into_iter().map(series_view).collect(),
        answers_within_budget: plane.answerer.times().within_budget(),
        caps_hit: vec![
            ("sessions".to_owned(), plane.stats.sessions_cap.get()),
            ("http".to_owned(), plane.stats.http_cap.get()),
            ("tenant".to_owned(), plane.stats.tenant_cap.get()),
        ],
        spans: spans.as_deref().map(otel::view),
    })
}
