//! The HTTP that spans go out by: one connection for each batch, so that nothing has to be kept alive, and nothing is found
//! dead.

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;

/// The longest reply that is read, in bytes. A collector says in some hundred what it didn't take.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// HTTP's own port, where an address names none.
const PORT: u16 = 80;

/// Why a batch could not be handed over: the library keeps that to itself.
pub(super) type LastError = Arc<Mutex<String>>;

/// The client.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) last_error: LastError,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let reply = send(request).await;
        let said = match &reply {
            Ok(reply) => format!("it answered {}", reply.status()),
            Err(error) => error.to_string(),
        };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = said;
        reply
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().ok_or("the address names no host")?.clone();
    // the brackets of an address of version 6 belong to the text alone
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(PORT))).await?;
    head.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    head.uri = head.uri.path().parse::<Uri>()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let reply = async move {
        let (head, body) = sender.send_request(Request::from_parts(head, Full::new(body))).await?.into_parts();
        let body = Limited::new(body, REPLY_BYTES_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::pin!(reply);
    tokio::select! {
        biased;
        reply = &mut reply => reply,
        // a collector that closes has said all that it will
        ended = connection => match ended {
            Ok(()) => reply.await,
            Err(error) => Err(error.into()),
        },
    }
}
