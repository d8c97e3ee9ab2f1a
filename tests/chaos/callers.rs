//! Calls at a steady rate, by each of a switch's ways, and what became of each.

use crate::Random;
use crate::ledger::{Call, Ledger, Outcome};
use crate::support::{DID, PLENTY, SCHOOL, environment};
use crate::world::{Doors, World};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strowger::play::{Afterwards, CallFields, Conversation, Ended, SocketMode, Way, call_by};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// A hundred calls a second: a debug build answers many more.
const EVERY: Duration = Duration::from_millis(10);

/// Starts to call; the ledger is had when the world is over and every call has ended.
pub fn begin(world: &Arc<World>, random: Random) -> JoinHandle<Ledger> {
    let world = world.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, calls(world, random))
    })
}

async fn calls(world: Arc<World>, mut random: Random) -> Ledger {
    let mut ledger = Ledger::default();
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(EVERY);
    // callers who waited behind a busy machine come one after the other, not all at once
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !world.is_over() {
        tick.tick().await;
        let way =
            [Way::FastAgi, Way::Socket(SocketMode::Static), Way::Socket(SocketMode::Async), Way::Xml, Way::Name][random.below(5) as usize];
        let address = door(way, world.doors());
        let cut = (random.below(100) < world.cut_of_hundred.load(Relaxed)).then(|| random.draw());
        ledger.placed += 1;
        let world = world.clone();
        under_way.spawn_local(async move {
            let began = Instant::now();
            let outcome = match cut {
                Some(chance) => cut_off(way, address, Random(chance)).await,
                None => whole(way, address).await,
            };
            if outcome == Outcome::Answered {
                world.answered.fetch_add(1, Relaxed);
            }
            Call { began, ended: Instant::now(), way, outcome }
        });
        while let Some(call) = under_way.try_join_next() {
            ledger.calls.push(call.unwrap());
        }
    }
    while let Some(call) = under_way.join_next().await {
        ledger.calls.push(call.unwrap());
    }
    ledger
}

fn door(way: Way, doors: Doors) -> SocketAddr {
    match way {
        Way::FastAgi => doors.agi,
        Way::Socket(_) => doors.esl,
        Way::Xml | Way::Name => doors.lookup_http,
    }
}

async fn whole(way: Way, address: SocketAddr) -> Outcome {
    let base = if way == Way::FastAgi { CallFields::default() } else { CallFields::freeswitch() };
    let fields = CallFields { caller_number: Some(SCHOOL.to_owned()), extension: DID.to_owned(), ..base };
    match call_by(way, address, &fields, PLENTY).await {
        Ok(conversation) => judged(way, &conversation),
        Err(error) => Outcome::Unheard(error.to_string()),
    }
}

/// What a conversation came to. The sample's number rings two telephones, and its caller is known.
fn judged(way: Way, heard: &Conversation) -> Outcome {
    let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    let wrong = || Outcome::Wrong(format!("{way:?}: {heard:?}"));
    if !heard.findings.is_empty() || heard.ended == Ended::LeftOpen {
        return wrong();
    }
    if way == Way::Name {
        return match text(heard.variable("profile:caller_id_name")).as_str() {
            "Lincoln School" => Outcome::Answered,
            "" if heard.afterwards == Afterwards::NameLeftAlone => Outcome::Default("no name".to_owned()),
            _ => wrong(),
        };
    }
    let target = text(heard.answer("TARGET"));
    match text(heard.answer("STATUS")).as_str() {
        "found" if target == "PJSIP/101&PJSIP/102" || target == "user/101,user/102" => Outcome::Answered,
        // what the answer then says to do is the route's fallback, or nothing while the store is being read
        status @ ("late" | "error") if target.is_empty() || target.ends_with("/101") => {
            let reason = text(heard.answer("REASON"));
            Outcome::Default(if reason == status { reason } else { format!("{status} {reason}") })
        }
        "" if way == Way::Xml => match &heard.afterwards {
            Afterwards::OwnDialplan { .. } => Outcome::Default("the switch's own dialplan".to_owned()),
            _ => wrong(),
        },
        _ => wrong(),
    }
}

/// A call whose caller says a part of it, perhaps listens, and tears the connection down.
async fn cut_off(way: Way, address: SocketAddr, mut random: Random) -> Outcome {
    let question = match way {
        Way::FastAgi => environment(DID, SCHOOL),
        Way::Socket(_) => format!(
            "Content-Type: command/reply\nReply-Text: +OK\nSocket-Mode: async\nControl: full\nEvent-Name: CHANNEL_DATA\n\
             Unique-ID: a21a71a1-5b44-415c-bcb8-18e1ffa03f99\nCaller-Caller-ID-Number: {SCHOOL}\nCaller-Destination-Number: {DID}\n\n"
        )
        .into_bytes(),
        Way::Xml => {
            b"POST /xml HTTP/1.1\r\nHost: strowger\r\nContent-Length: 400\r\n\r\nsection=dialplan&Caller-Destination-Number=1".to_vec()
        }
        Way::Name => b"GET /name?number=%2B14155550101 HTTP/1.1\r\nHost: strowger\r\n\r\n".to_vec(),
    };
    let heard = tokio::time::timeout(PLENTY, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&question[..random.below(question.len() as u64 + 1) as usize]).await?;
        let listens = random.ms(0, 40);
        let _ = tokio::time::timeout(listens, stream.read(&mut [0; 64])).await;
        // a reset, and not an end
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
    });
    match heard.await {
        Ok(Ok(())) => Outcome::Cut,
        // it wanted to cut, and was cut
        Ok(Err(error)) => Outcome::Unheard(error.to_string()),
        Err(_) => Outcome::Unheard("no connection in time".to_owned()),
    }
}
