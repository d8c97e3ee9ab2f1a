//! A connection that is written to for so long and no longer: whoever takes nothing of what he is sent is let go.

use crate::cti::PlaneStats;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A connection with an end to its patience.
pub(super) struct Patient {
    stream: TcpStream,
    stall_max: Duration,
    /// When it ends; there while something is to be written and can't be.
    until: Option<Pin<Box<Sleep>>>,
    is_feed: Arc<AtomicBool>,
    stats: Arc<PlaneStats>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, stall_max: Duration, is_feed: Arc<AtomicBool>, stats: Arc<PlaneStats>) -> Patient {
        Patient { stream, stall_max, until: None, is_feed, stats }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let stall_max = self.stall_max;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        std::task::ready!(until.as_mut().poll(cx));
        if self.is_feed.swap(false, Ordering::Relaxed) {
            self.stats.clients_dropped.add_one();
            tracing::warn!(stalled_s = stall_max.as_secs(), "a client of the feed took nothing of what it was sent; it was dropped");
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
