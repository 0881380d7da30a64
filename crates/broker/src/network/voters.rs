//! Connections of other voters: what they send is the quorum's, and nothing is answered here.

use crate::controller::{self, GREETING};
use bytes::Bytes;
use ottla_quorum::MAX_MESSAGE_BYTES;
use std::{io, time::Duration};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

/// How long whoever connects has to say who it is.
const GREET: Duration = Duration::from_secs(30);

/// Whether a connection begins as those of voters do; a client is left all that it sent.
pub(super) async fn is_voter(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; GREETING.len()];
    let look = async {
        loop {
            stream.readable().await?;
            let seen = stream.peek(&mut first).await?;
            let so_far = first.get(..seen).unwrap_or_default();
            if seen == 0 || seen == GREETING.len() || !GREETING.starts_with(so_far) {
                return Ok(seen == GREETING.len() && first == GREETING);
            }
            // The rest of four bytes comes at once, or from somebody who has no haste.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(GREET, look).await.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Hands messages on until the connection ends.
pub(super) async fn serve(stream: &mut TcpStream, controller: &controller::Handle) -> io::Result<()> {
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await?;
    let id = stream.read_i32().await?;
    let ended = messages(stream, controller).await;
    controller.lost(id);
    ended
}

async fn messages(stream: &mut TcpStream, controller: &controller::Handle) -> io::Result<()> {
    loop {
        let length = stream.read_u32().await?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE_BYTES {
            return Err(io::Error::other(format!("a message of {length} bytes")));
        }
        // Memory is taken as bytes come.
        let mut message = Vec::new();
        let taken = u64::try_from(length).unwrap_or(u64::MAX);
        (&mut *stream).take(taken).read_to_end(&mut message).await?;
        if message.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        controller.raft(Bytes::from(message));
    }
}
