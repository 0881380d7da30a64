//! A response on its way out: bytes in memory and file ranges, written in order.

use bytes::{Bytes, BytesMut};
use ottla_protocol::codec::{Encoded, SpliceSource};
use ottla_storage::{Slice, fs::File};
use rustix::fd::AsFd;
use std::io;
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
};

/// What `sendfile` is asked for at a time; the kernel sends less when the socket is full.
const SENDFILE_BYTES: usize = 1 << 20;
/// Responses that are written together have so many bytes at most.
const GATHER_BYTES: usize = 64 * 1024;
/// What is read at a time from files that have no descriptor.
const COPY_BYTES: usize = 256 * 1024;

/// A framed response; external splices are numbered by their place in `records`.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) encoded: Encoded,
    pub(crate) records: Vec<Vec<Slice>>,
}

impl Outgoing {
    /// Bytes it will take on the wire.
    pub(crate) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Puts it behind others in memory; answers it back if it is large or holds file ranges.
    pub(crate) fn append_to(self, ready: &mut BytesMut) -> Option<Self> {
        if !self.encoded.splices.is_empty() || ready.len() + self.encoded.buf.len() > GATHER_BYTES {
            return Some(self);
        }
        match ready.is_empty() {
            true => *ready = self.encoded.buf,
            false => ready.extend_from_slice(&self.encoded.buf),
        }
        None
    }

    /// Writes everything; stops where the socket does.
    pub(crate) async fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let buf = self.encoded.buf.freeze();
        let mut from = 0;
        for splice in self.encoded.splices {
            write_bytes(stream, buf.slice(from..splice.at)).await?;
            from = splice.at;
            match splice.source {
                SpliceSource::Bytes(bytes) => write_bytes(stream, bytes).await?,
                SpliceSource::External { id, size } => {
                    let slices = usize::try_from(id).ok().and_then(|i| self.records.get(i));
                    let slices = slices.ok_or_else(|| io::Error::other("a response names records it does not have"))?;
                    assert_eq!(slices.iter().map(Slice::len).sum::<usize>(), size, "the length was written already");
                    for slice in slices {
                        write_slice(stream, slice).await?;
                    }
                }
            }
        }
        write_bytes(stream, buf.slice(from..)).await
    }
}

async fn write_bytes(stream: &mut TcpStream, bytes: Bytes) -> io::Result<()> {
    match bytes.is_empty() {
        true => Ok(()),
        false => stream.write_all(&bytes).await,
    }
}

async fn write_slice(stream: &mut TcpStream, slice: &Slice) -> io::Result<()> {
    match slice {
        Slice::Memory(bytes) => write_bytes(stream, bytes.clone()).await,
        Slice::File { file, position, len } => match file.as_fd() {
            Some(_) => send_file(stream, &**file, *position, *len).await,
            None => copy(stream, &**file, *position, *len).await,
        },
    }
}

async fn send_file(stream: &mut TcpStream, file: &dyn File, mut position: u64, len: usize) -> io::Result<()> {
    let end = position + len as u64;
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(SENDFILE_BYTES).min(SENDFILE_BYTES);
        let send = || {
            let file = file.as_fd().ok_or_else(|| io::Error::other("the file was closed"))?;
            let mut offset = position;
            Ok(rustix::fs::sendfile(stream.as_fd(), file, Some(&mut offset), wanted)?)
        };
        let sent = stream.async_io(Interest::WRITABLE, send).await?;
        if sent == 0 {
            return Err(ended_early());
        }
        position += sent as u64;
    }
    Ok(())
}

async fn copy(stream: &mut TcpStream, file: &dyn File, mut position: u64, len: usize) -> io::Result<()> {
    let mut buffer = vec![0; len.min(COPY_BYTES)];
    let end = position + len as u64;
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(buffer.len()).min(buffer.len());
        let read = file.read_at(&mut buffer[..wanted], position)?;
        if read == 0 {
            return Err(ended_early());
        }
        stream.write_all(&buffer[..read]).await?;
        position += read as u64;
    }
    Ok(())
}

fn ended_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a segment ended before its records did")
}
