//! Hands chitchat a socket that was opened before, so that the port is known to those who ask for
//! any.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use chitchat::transport::{Socket, Transport};
use parking_lot::Mutex;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + Send + 'a>>;

/// A transport of one socket.
pub(super) struct Opened(Mutex<Option<Box<dyn Socket>>>);

impl Opened {
    pub(super) fn new(socket: Box<dyn Socket>) -> Opened {
        Opened(Mutex::new(Some(socket)))
    }
}

impl Transport for Opened {
    fn open<'s, 'a>(&'s self, _: SocketAddr) -> Boxed<'a, Box<dyn Socket>>
    where
        's: 'a,
        Self: 'a,
    {
        let socket = self.0.lock().take();
        Box::pin(async move { socket.ok_or_else(|| anyhow::anyhow!("the socket is in use")) })
    }
}
