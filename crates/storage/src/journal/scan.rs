//! Finding the frames of a journal after a stop.
//!
//! Frames are written one after the other, each synced before the next: only the last one may be torn, and what is wrong
//! before it is corruption.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::batch::CheckedBatches;

use super::Error;
use super::files::Files;
use super::frame::{self, ALIGNMENT, HEADER_LEN, Header, Row};
use crate::fs::File;

/// Bytes that are read at once where frames are looked for.
const CHUNK: usize = 1 << 20;

/// A whole frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) position: u64,
    pub(super) header: Header,
    pub(super) rows: Vec<Row>,
}

impl Frame {
    /// Each row with the position of its batch.
    pub(super) fn placed_rows(&self) -> impl Iterator<Item = (Row, u64)> {
        self.rows.iter().scan(self.position + self.header.head_len(), |position, row| {
            let at = *position;
            *position += u64::from(row.len);
            Some((*row, at))
        })
    }

    fn end(&self) -> u64 {
        self.position + self.header.padded_len()
    }

    /// Whether every batch is as it was written.
    fn is_whole(&self) -> Result<bool, Error> {
        for (row, position) in self.placed_rows().filter(|(row, _)| row.len > 0) {
            let bytes = read(&*self.file, position, u64::from(row.len)).map_err(|source| self.io(source))?;
            if CheckedBatches::parse(bytes.into()).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn io(&self, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }

    pub(super) fn corrupt(&self, position: u64, reason: &'static str) -> Error {
        Error::Corrupt { path: self.path.clone(), position, reason }
    }
}

/// The frames that are needed, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    id: Option<u64>,
    pub(super) frames: Vec<Frame>,
    last_seq: u64,
    floor: u64,
}

impl Found {
    /// As the frames have it, if there are any.
    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The last frame in a file.
    pub(super) fn last_seq_in(&self, number: u32) -> Option<u64> {
        self.frames.iter().filter(|frame| frame.number == number).map(|frame| frame.header.seq).max()
    }
}

/// Reads the frames of all files.
pub(super) fn scan(files: &Files) -> Result<Found, Error> {
    let mut frames = Vec::new();
    let mut blank = Vec::new();
    for (number, path, file) in files.iter() {
        let found = frames_of(number, path.to_path_buf(), file)?;
        if found.is_empty() {
            blank.push((path, file));
        }
        frames.extend(found);
    }
    frames.sort_by_key(|frame| frame.header.seq);
    if let Some(last) = frames.last() {
        check_none_after(last, &last.path, &last.file, last.end())?;
        for (path, file) in blank {
            check_none_after(last, path, file, 0)?;
        }
    }
    drop_torn(&mut frames)?;
    let Some(last) = frames.last() else { return Ok(Found::default()) };
    let Header { id, seq: last_seq, floor, .. } = last.header;
    frames.retain(|frame| frame.header.seq >= floor);
    check_consecutive(&frames, floor, last_seq)?;
    Ok(Found { id: Some(id), frames, last_seq, floor })
}

/// The frames from the start of a file on, as long as they follow one another.
fn frames_of(number: u32, path: PathBuf, file: &Arc<dyn File>) -> Result<Vec<Frame>, Error> {
    let io = |source| Error::Io { path: path.clone(), source };
    let len = file.len().map_err(io)?;
    let mut frames: Vec<Frame> = Vec::new();
    let mut position = 0;
    while let Some((header, rows)) = frame_at(&**file, position, len).map_err(io)? {
        if frames.last().is_some_and(|last| (last.header.id, last.header.seq + 1) != (header.id, header.seq)) {
            break; // from an earlier round
        }
        let frame = Frame { number, path: path.clone(), file: Arc::clone(file), position, header, rows };
        position = frame.end();
        frames.push(frame);
    }
    Ok(frames)
}

/// A frame whose header and rows are proven, and that fits into the file.
fn frame_at(file: &dyn File, position: u64, len: u64) -> std::io::Result<Option<(Header, Vec<Row>)>> {
    if position + ALIGNMENT > len {
        return Ok(None);
    }
    let start = read(file, position, HEADER_LEN as u64)?;
    let Some(header) = frame::decode_header(&start).filter(|header| position + header.padded_len() <= len) else {
        return Ok(None);
    };
    let head = read(file, position, header.head_len())?;
    let rows = frame::decode_rows(&head);
    let sums_up =
        |rows: &Vec<Row>| rows.iter().map(|row| u64::from(row.len)).sum::<u64>() == u64::from(header.body_len);
    Ok(rows.filter(sums_up).map(|rows| (header, rows)))
}

/// Nothing was written after the last frame, so what looks like a later one says that frames before it have gone bad.
fn check_none_after(last: &Frame, path: &Path, file: &Arc<dyn File>, from: u64) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let len = file.len().map_err(io)?;
    let is_later = |header: &Header| header.id == last.header.id && header.seq > last.header.seq;
    let mut buffer = vec![0; CHUNK];
    for start in (from..len).step_by(CHUNK) {
        let count = file.read_at(&mut buffer, start).map_err(io)?;
        let pages = buffer.get(..count).unwrap_or_default().chunks(ALIGNMENT as usize);
        for (position, page) in (start..).step_by(ALIGNMENT as usize).zip(pages) {
            if frame::decode_header(page).is_some_and(|header| is_later(&header))
                && frame_at(&**file, position, len).map_err(io)?.is_some()
            {
                let reason = "no frame, though one follows";
                return Err(Error::Corrupt { path: path.to_path_buf(), position: from, reason });
            }
        }
    }
    Ok(())
}

/// Leaves the last frame out if it is torn: nobody was told that it is durable.
fn drop_torn(frames: &mut Vec<Frame>) -> Result<(), Error> {
    let Some(last) = frames.last() else { return Ok(()) };
    if !last.is_whole()? {
        tracing::info!(file = %last.path.display(), position = last.position, "the last commit was cut off by a crash");
        frames.pop();
    }
    Ok(())
}

fn check_consecutive(frames: &[Frame], floor: u64, last_seq: u64) -> Result<(), Error> {
    let expected = floor.max(1)..=last_seq;
    for (seq, frame) in expected.clone().zip(frames) {
        if frame.header.seq != seq {
            return Err(frame.corrupt(frame.position, "frames before it are missing"));
        }
    }
    match frames.first() {
        Some(frame) if frames.len() as u64 != last_seq + 1 - expected.start() => {
            Err(frame.corrupt(frame.position, "frames are missing"))
        }
        _ => Ok(()),
    }
}

/// Reads exactly `len` bytes.
pub(super) fn read(file: &dyn File, position: u64, len: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(std::io::Error::other)?];
    match file.read_at(&mut bytes, position)? {
        count if count == bytes.len() => Ok(bytes),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
