//! The only door from a session to routing, and the keeper of its deadline.
//!
//! Asterisk waits for ever on a server that says nothing, so the agent owns the deadline: when it comes, the answer
//! is `late` with the route's fallback, whatever the decision was waiting for.

use super::answer_times::AnswerTimes;
use super::numbers::Numbers;
use super::plane::Admission;
use super::request::{Ask, BadParameter};
use super::share::{Shares, Taken};
use super::stats::{CallStats, Ending};
use super::trace::{Spent, step};
use crate::clock::Clock;
use crate::decided::{DecisionRecord, DecisionSender, LetOut, Member};
use crate::memory::Glances;
use crate::number::{Class, Number};
use crate::routing::render::members;
use crate::routing::{
    DEFAULT_TENANT, Data, Decision, LookupFailed, Marks, Moment, Question, Reason, Request, Rule, Status, Switch, Tenant, Tenants, Trace,
    Whose, decide, fallback_decision, refusal,
};
use crate::store::Reader;
use crate::telemetry::StepSender;
use crate::wish::WishSender;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Decisions that may wait for the disk at once, until the snapshot stands. More wait in front, where a deadline drops
/// them, and not behind a disk that has stopped answering.
pub(super) const DISK_READERS_MAX: usize = 4;

/// How long one is waited for who is refused because his tenant has taken his share. FreeSWITCH, async, takes 20 ms.
const BEYOND_SHARE_WAIT_MAX: Duration = Duration::from_millis(250);
/// The longest display name that is sent, in bytes; PJSIP shows 79 characters.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// A fault that tests put in front of every decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delay {
    /// None: what production runs.
    #[default]
    None,
    /// The data comes late.
    Wait(Duration),
    /// The thread is stuck.
    Block(Duration),
}

/// Answers questions within the budget.
pub struct Answerer {
    store: Reader,
    tenants: Arc<Tenants>,
    /// Whose a call is that names no tenant.
    whose: Whose,
    /// How much of the plane each tenant may take.
    shares: Shares,
    /// What decisions may glance at, and where they leave their marks.
    glances: Glances,
    clock: Arc<dyn Clock>,
    budget: Duration,
    delay: Delay,
    /// How numbers stand in the log.
    numbers: Numbers,
    /// Makes seeds differ from call to call.
    seeds: AtomicU32,
    disk: Arc<Semaphore>,
    /// How long answers took.
    times: AnswerTimes,
    /// Who is told of each decision, if anybody keeps records.
    records: Option<DecisionSender>,
    /// Who is told of the steps that are in the sample, if anybody traces calls.
    steps: Option<StepSender>,
    /// Who grants what star codes wish, if anybody does.
    wishes: Option<WishSender>,
}

/// An answer, and whose templates render it.
pub struct Answer<'a> {
    /// The decision.
    pub decision: Decision,
    /// The tenant, where the question named one that exists.
    pub tenant: Option<&'a Tenant>,
    /// The revision that was read; 0 where nothing was.
    pub(super) revision: u64,
    /// What was tried on the way, where somebody keeps records.
    trace: Vec<Rule>,
    /// What was let out.
    let_out: Option<LetOut>,
    /// The place that its session takes of its tenant's share.
    _share: Option<Taken<'a>>,
    /// Whether the tenant had taken all that he may.
    is_beyond_share: bool,
}

/// A decision, the revision that it was made over, why, and what is to be remembered of it.
type Decided = (Decision, u64, Vec<Rule>, Marks);

impl<'a> Answer<'a> {
    /// An answer that nothing was read for.
    pub(super) fn unread(decision: Decision, tenant: Option<&'a Tenant>) -> Answer<'a> {
        Answer { decision, tenant, revision: 0, trace: Vec::new(), let_out: None, _share: None, is_beyond_share: false }
    }
}

impl Answer<'_> {
    /// One line for one call.
    fn log(&self, ask: &Ask, numbers: Numbers, ending: Ending, answer_us: u64) {
        if self.decision.status == Status::Error || ending == Ending::Capacity {
            // whoever floods us gets such answers, as fast as he asks
            tracing::info!(
                call_id = shown(&ask.call_id),
                request = shown(&ask.request),
                status = self.decision.status.word(),
                action = self.decision.step.action.word(),
                reason = self.decision.reason.word(),
                ending = ending.word(),
                answer_us,
                sampled = true,
                "answered a call with the fallback"
            );
            return;
        }
        tracing::info!(
            call_id = shown(&ask.call_id),
            request = shown(&ask.request),
            to = numbers.number(&ask.to),
            from = if ask.restricted { None } else { numbers.number(&ask.from) },
            status = self.decision.status.word(),
            action = self.decision.step.action.word(),
            reason = self.decision.reason.word(),
            route = self.decision.route.as_ref().map(|r| numbers.route(&r.to_string())),
            ending = ending.word(),
            answer_us,
            "answered a call"
        );
    }
}

impl Answerer {
    /// An answerer over data, for tenants, with so much time for an answer. `delay` is what tests inject.
    pub fn new(store: Reader, tenants: Arc<Tenants>, glances: Glances, clock: Arc<dyn Clock>, budget: Duration, delay: Delay) -> Answerer {
        let seeds = AtomicU32::new(clock.now_us() as u32);
        let disk = Arc::new(Semaphore::new(DISK_READERS_MAX));
        let (whose, shares, times) = (Whose::new(&tenants), Shares::default(), AnswerTimes::default());
        Answerer {
            store,
            tenants,
            whose,
            shares,
            glances,
            clock,
            budget,
            delay,
            numbers: Numbers::default(),
            seeds,
            disk,
            times,
            records: None,
            steps: None,
            wishes: None,
        }
    }

    /// The same, and star codes are granted.
    #[must_use]
    pub fn with_wishes(self, wishes: WishSender) -> Answerer {
        Answerer { wishes: Some(wishes), ..self }
    }

    pub(super) fn wishes(&self) -> Option<&WishSender> {
        self.wishes.as_ref()
    }

    /// The same, and numbers stand in the log whole.
    #[must_use]
    pub fn with_log_numbers(self, whole: bool) -> Answerer {
        Answerer { numbers: Numbers { whole }, ..self }
    }

    pub(super) fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// The same, for calls that name no tenant.
    #[must_use]
    pub fn with_whose(self, whose: Whose) -> Answerer {
        Answerer { whose, ..self }
    }

    /// The same, and of so many sessions no tenant takes more than his share.
    #[must_use]
    pub fn with_shares(self, sessions_max: usize) -> Answerer {
        Answerer { shares: Shares::new(&self.tenants, sessions_max), ..self }
    }

    /// The same, and each decision is told to whoever keeps records.
    #[must_use]
    pub fn with_records(self, records: DecisionSender) -> Answerer {
        Answerer { records: Some(records), ..self }
    }

    /// The same, and steps are traced.
    #[must_use]
    pub fn with_steps(self, steps: StepSender) -> Answerer {
        Answerer { steps: Some(steps), ..self }
    }

    /// Where a question comes from, for the records; nobody is asked where there are none.
    pub(super) fn peer_of(&self, stream: &TcpStream) -> Option<IpAddr> {
        self.records.as_ref()?;
        stream.peer_addr().ok().map(|peer| peer.ip())
    }

    /// What is left to do when a switch has its answer: one line in the log, one span, one record. The call waits for none of
    /// them. `began` is when its question was there.
    pub(super) fn done(&self, answer: Answer<'_>, ask: Ask, switch: Switch, ending: Ending, began: Instant, answer_us: u64) {
        self.times.took(switch, &ask.request, answer.decision.status, answer_us, self.budget.as_micros() as u64);
        answer.log(&ask, self.numbers, ending, answer_us);
        if let Some(steps) = &self.steps {
            let now_us = self.clock.now_us();
            if let Some(trace_id) = steps.sampled(ask.switch.as_deref(), &ask.call_id, now_us) {
                let spent = Spent { in_all: began.elapsed(), answer_us, budget: self.budget };
                steps.send(step(trace_id, &answer, &ask, self.numbers, (switch, ending), spent, now_us));
            }
        }
        let Some(records) = &self.records else { return };
        if ask.call_id.is_empty() || answer.decision.reason == Reason::Ok {
            return;
        }
        let dial = answer.tenant.map(|tenant| match switch {
            Switch::Asterisk => &tenant.asterisk,
            Switch::Freeswitch => &tenant.freeswitch,
        });
        let members = members(&answer.decision, switch, dial).into_iter().map(|(id, leg)| Member { id, leg }).collect();
        records.send(DecisionRecord {
            at_us: self.clock.now_us(),
            switch: ask.switch,
            peer: ask.peer,
            call_id: ask.call_id,
            tenant: answer.tenant.map_or(ask.tenant, |tenant| tenant.id.clone()),
            request: ask.request,
            to: ask.to,
            from: if ask.restricted { String::new() } else { ask.from },
            withheld: ask.restricted,
            revision: answer.revision,
            decision: answer.decision,
            trace: answer.trace,
            members,
            let_out: answer.let_out,
        });
    }

    /// How long an answer may take.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// How long answers took.
    pub fn times(&self) -> &AnswerTimes {
        &self.times
    }

    /// How long a switch may take to say that it has its answer. Whoever takes more than his share is waited for no longer
    /// than a switch needs that stands still for nothing, so that those refused don't fill the house either.
    pub(super) fn reply_wait(answer: &Answer<'_>, usual: Duration) -> Duration {
        if answer.is_beyond_share { usual.min(BEYOND_SHARE_WAIT_MAX) } else { usual }
    }

    /// Whether there is such a tenant.
    pub(super) fn has_tenant(&self, id: &str) -> bool {
        self.tenants.contains_key(id)
    }

    /// The tenant whose own domain this is, if one is.
    pub(super) fn tenant_at(&self, domain: &str) -> Option<&str> {
        self.whose.by_domain(domain)
    }

    /// Answers a session as its admission says, and with which ending it is if nothing comes between.
    pub(super) async fn admitted(
        &self,
        ask: &Ask,
        wrong: Option<&BadParameter>,
        admission: Admission,
        stats: &CallStats,
    ) -> (Answer<'_>, Ending) {
        let (answer, ending) = match admission {
            Admission::Capacity => (self.refuse(ask, wrong, Reason::Capacity), Ending::Capacity),
            Admission::Draining => (self.refuse(ask, wrong, Reason::Draining), Ending::Draining),
            Admission::Served => match self.share_of(ask, wrong) {
                Some(share) => {
                    let answer = self.answer(ask, wrong).await;
                    (Answer { _share: Some(share), ..answer }, Ending::Answered)
                }
                None => {
                    stats.tenant_cap.add_one();
                    let refused = self.refuse(ask, wrong, Reason::Capacity);
                    (Answer { is_beyond_share: true, ..refused }, Ending::Capacity)
                }
            },
        };
        if answer.decision.status == Status::Late {
            stats.late.add_one();
        }
        (answer, ending)
    }

    /// Answers, with a decision whatever happens. What has to be waited for is waited for until the budget is spent.
    pub async fn answer(&self, ask: &Ask, wrong: Option<&BadParameter>) -> Answer<'_> {
        let Some(tenant) = self.tenant_of(ask, wrong) else {
            tracing::warn!(
                call_id = shown(&ask.call_id),
                tenant = shown(&ask.tenant),
                context = shown(&ask.context),
                why = wrong.map(|why| self.numbers.text(&why.to_string())),
                "whose question it was could not be told; the dialplan's default applied"
            );
            return Answer::unread(refusal(None, Status::Error, Reason::BadRequest), None);
        };
        let question = match Question::read(&ask.text(), &tenant.plan) {
            Ok(question) if wrong.is_none() => question,
            read => {
                let (question, unread) = match read {
                    Ok(question) => (question, None),
                    Err(both) => (both.0, Some(both.1)),
                };
                let (reason, why) = match (wrong, unread) {
                    (Some(wrong), _) => (Reason::BadRequest, wrong.to_string()),
                    (None, Some(error)) => (error.reason(), error.to_string()),
                    (None, None) => (Reason::BadRequest, String::new()),
                };
                let why = self.numbers.text(&why);
                tracing::warn!(call_id = shown(&ask.call_id), why, "a question could not be read; the fallback applied");
                return Answer::unread(self.fallback(tenant, &question, Status::Error, reason), Some(tenant));
            }
        };
        if question.request == Request::Feature {
            return self.feature(ask, tenant, &question).await;
        }
        let decision = match self.decide(tenant, &question).await {
            Some(Ok((decision, revision, trace, marks))) => {
                let let_out = self.remember(tenant, &marks);
                return Answer { revision, trace, let_out, ..Answer::unread(decision, Some(tenant)) };
            }
            Some(Err(error)) => {
                tracing::error!(call_id = shown(&ask.call_id), %error, "the store could not be read for a call; the fallback applied");
                self.fallback(tenant, &question, Status::Error, Reason::StoreFailed)
            }
            None => self.fallback(tenant, &question, Status::Late, Reason::Late),
        };
        Answer::unread(decision, Some(tenant))
    }

    /// Leaves a decision's marks for those to come.
    fn remember(&self, tenant: &Tenant, marks: &Marks) -> Option<LetOut> {
        if *marks == Marks::default() {
            return None;
        }
        let now_us = self.clock.monotonic_us();
        self.glances.memory.mark(&tenant.id, marks, now_us);
        let let_out =
            |(extension, class): &(Number, Class)| LetOut { extension: extension.digits().to_owned(), class: *class, at_us: now_us };
        marks.outbound.as_ref().map(let_out)
    }

    /// A place of the tenant's whose question it is. A question that is nobody's takes none: it is refused at once.
    fn share_of(&self, ask: &Ask, wrong: Option<&BadParameter>) -> Option<Taken<'_>> {
        self.shares.take(self.tenant_of(ask, wrong).map_or("", |tenant| tenant.id.as_str()))
    }

    /// Whose question it is: that of the tenant it names; else whose domain, whose context, whose number it is; else the
    /// default's. A wrong parameter may have been a misspelt `tenant`: where
    /// there are several, a question that names none is then nobody's, and another's phones don't ring.
    fn tenant_of(&self, ask: &Ask, wrong: Option<&BadParameter>) -> Option<&Tenant> {
        if !ask.tenant.is_empty() {
            return self.tenants.get(&ask.tenant);
        }
        if self.tenants.len() == 1 {
            return self.tenants.get(DEFAULT_TENANT);
        }
        if wrong.is_some() {
            return None;
        }
        // what an extension dials is another's number, and says nothing of whose call it is
        let is_called = !matches!(Request::from_name(&ask.request), Some(Request::Outbound | Request::Feature));
        let by_number = || if is_called { self.whose.by_did(&ask.to) } else { None };
        let found = || self.whose.by_domain(&ask.domain).or_else(|| self.whose.by_context(&ask.context)).or_else(by_number);
        self.tenants.get(found().unwrap_or(DEFAULT_TENANT))
    }

    /// The answer of a session that isn't served. Nothing is waited for.
    pub fn refuse(&self, ask: &Ask, wrong: Option<&BadParameter>, reason: Reason) -> Answer<'_> {
        let tenant = self.tenant_of(ask, wrong);
        let decision = match tenant {
            Some(tenant) => {
                let question = Question::read(&ask.text(), &tenant.plan).unwrap_or_else(|both| both.0);
                self.fallback(tenant, &question, Status::Error, reason)
            }
            None => refusal(None, Status::Error, reason),
        };
        Answer::unread(decision, tenant)
    }

    /// The answer of a session whose question can't be read at all. Whose call it is isn't known either: only where
    /// there is one tenant can it be his.
    pub fn refuse_unread(&self) -> Answer<'_> {
        let tenant = if self.tenants.len() == 1 { self.tenants.get(DEFAULT_TENANT) } else { None };
        Answer::unread(refusal(tenant, Status::Error, Reason::Malformed), tenant)
    }

    fn fallback(&self, tenant: &Tenant, question: &Question, status: Status, reason: Reason) -> Decision {
        let from_snapshot = self.store.in_snapshot(&tenant.id, |data| fallback_decision(tenant, question, Some(data), status, reason));
        from_snapshot.unwrap_or_else(|| fallback_decision(tenant, question, None, status, reason))
    }

    /// Decides, and says over which revision and why; `None` when the budget is spent.
    async fn decide(&self, tenant: &Tenant, question: &Question) -> Option<Result<Decided, LookupFailed>> {
        let (now_us, seed) = (self.clock.now_us(), u64::from(self.seeds.fetch_add(0x9e37_79b9, Ordering::Relaxed)));
        let is_recorded = self.records.is_some();
        let decide = move |tenant: &Tenant, question: &Question, data: &dyn Data, glances: &Glances, clock: &dyn Clock| {
            let mut trace = if is_recorded { Trace::on() } else { Trace::off() };
            let moment = Moment { now_us, seed, live: &glances.of(&tenant.id, clock) };
            let (decision, marks) = decide(tenant, question, data, moment, &mut trace)?;
            Ok((decision, data.revision(), trace.into_rules(), marks))
        };
        let in_memory = |data: &dyn Data| decide(tenant, question, data, &self.glances, &*self.clock);
        let for_disk = || {
            let (tenant, question, glances, clock) = (tenant.clone(), question.clone(), self.glances.clone(), self.clock.clone());
            move |data: &dyn Data| decide(&tenant, &question, data, &glances, &*clock)
        };
        self.within_budget(&tenant.id, in_memory, for_disk).await
    }

    /// Reads a tenant's data for a question that no decision is needed for; `None` when the budget is spent.
    pub(super) async fn look<T, R>(&self, tenant: &str, read: R) -> Option<Result<T, LookupFailed>>
    where
        T: Send + 'static,
        R: Fn(&dyn Data) -> Result<T, LookupFailed> + Clone + Send + 'static,
    {
        self.within_budget(tenant, &read, || read.clone()).await
    }

    /// Reads the snapshot, or until it stands the disk; `None` when the budget is spent.
    async fn within_budget<T, R>(
        &self,
        tenant: &str,
        in_memory: impl Fn(&dyn Data) -> Result<T, LookupFailed>,
        for_disk: impl FnOnce() -> R,
    ) -> Option<Result<T, LookupFailed>>
    where
        T: Send + 'static,
        R: FnOnce(&dyn Data) -> Result<T, LookupFailed> + Send + 'static,
    {
        match self.delay {
            // the usual way: nothing to wait for, so no timer either
            Delay::None => {
                if let Some(read) = self.store.in_snapshot(tenant, &in_memory) {
                    return Some(read);
                }
            }
            Delay::Wait(_) => {}
            Delay::Block(how_long) => std::thread::sleep(how_long),
        }
        let waiting = async {
            if let Delay::Wait(how_long) = self.delay {
                tokio::time::sleep(how_long).await;
            }
            match self.store.in_snapshot(tenant, &in_memory) {
                Some(read) => read,
                None => self.read_disk(tenant.to_owned(), for_disk()).await,
            }
        };
        tokio::time::timeout(self.budget, waiting).await.ok()
    }

    /// Until the snapshot stands, the disk answers, on a thread that may wait for it.
    async fn read_disk<T: Send + 'static>(
        &self,
        tenant: String,
        read: impl FnOnce(&dyn Data) -> Result<T, LookupFailed> + Send + 'static,
    ) -> Result<T, LookupFailed> {
        let gone = || LookupFailed("the reader ended".into());
        let turn = self.disk.clone().acquire_owned().await.map_err(|_| gone())?;
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            store.on_disk(&tenant, read)
        });
        reading.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A text from outside, short and on one line.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}
