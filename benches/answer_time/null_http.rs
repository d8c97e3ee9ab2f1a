//! The least that an HTTP server on strowger's library can do: one thread, no look-up, one fixed answer.

use super::Outcome;
use super::process::Running;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

/// The argument that makes this program the server.
pub(super) const PART: &str = "null-http";

/// As strowger's.
const BACKLOG: i32 = 65_535;

/// A name of 14 bytes, as in the recorded answer.
const NAME: &[u8] = b"Example Person";

/// Starts it as a process of its own.
pub(super) fn start() -> Outcome<(Running, String)> {
    let mut child = Command::new(std::env::current_exe()?).arg(PART).stdout(Stdio::piped()).spawn()?;
    let mut port = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut port)?;
    Ok((Running(child), format!("127.0.0.1:{}", port.trim())))
}

/// Serves until it is killed.
pub(super) fn serve() -> Outcome {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    let listener: TcpListener = socket.into();
    println!("{}", listener.local_addr()?.port());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let answer =
                    |_: Request<hyper::body::Incoming>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(NAME)))) };
                // a client that went away is no trouble of ours
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    })
}
