//! Sends mutated frames to a running broker and says how many of them it answered or closed upon.
//!
//! `hostile HOST:PORT FRAMES [SEED]`; a frame counts when the broker answered it or closed the connection because of it.

use ottla_wire_tests::{random::Random, samples};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const THREADS: u64 = 4;
/// Frames sent at once on one connection.
const PIPELINED: usize = 16;
/// Where the correlation id of a request begins, length included.
const BEHIND_VERSION: usize = 8;
/// Where the header's client id ends, `hostile` in all samples.
const BEHIND_CLIENT_ID: usize = 21;
/// A frame that is neither answered nor closed upon within this waits as an honest one may (a JoinGroup, a long poll).
const PATIENCE: Duration = Duration::from_millis(200);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = || anyhow::anyhow!("usage: hostile HOST:PORT FRAMES [SEED]");
    let address = args.next().ok_or_else(usage)?;
    let wanted: u64 = args.next().ok_or_else(usage)?.parse()?;
    let seed: u64 = args.next().map_or(Ok(1), |seed| seed.parse())?;
    let mut frames = samples::frames();
    frames.retain(|frame| is_served(&address, frame));
    anyhow::ensure!(!frames.is_empty(), "nothing is served at {address}");
    println!("{} honest frames to begin with", frames.len());
    let frames = Arc::new(frames);
    let (taken, silent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (address, frames, taken, silent) = (address.clone(), frames.clone(), taken.clone(), silent.clone());
            let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(n));
            std::thread::spawn(move || -> anyhow::Result<()> {
                while taken.load(Ordering::Relaxed) < wanted {
                    let (answered, quiet) = attack(&address, &frames, &mut random)?;
                    taken.fetch_add(answered, Ordering::Relaxed);
                    silent.fetch_add(u64::from(quiet), Ordering::Relaxed);
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (taken, silent) = (taken.load(Ordering::Relaxed), silent.load(Ordering::Relaxed));
    println!("{taken} mutated frames taken in {seconds:.0} s, {silent} connections left waiting, seed {seed}");
    Ok(())
}

/// Whether the broker takes the frame as it is; one that is left waiting for its answer is taken too.
fn is_served(address: &str, frame: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    if stream.set_read_timeout(Some(PATIENCE)).is_err() || stream.write_all(frame).is_err() {
        return false;
    }
    match stream.read(&mut [0; 8]) {
        Ok(read) => read > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Sends a few frames on one connection; answers how many the broker dealt with, and whether it left some unanswered.
fn attack(address: &str, frames: &[Vec<u8>], random: &mut Random) -> anyhow::Result<(u64, bool)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    for _ in 0..PIPELINED {
        bytes.extend(mutate(random.pick::<Vec<u8>>(frames), random));
    }
    if stream.write_all(&bytes).is_err() {
        return Ok((1, false));
    }
    let _ = stream.shutdown(Shutdown::Write);
    let (mut answers, mut received, mut buffer) = (0, Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok((answers + 1, false)),
            Ok(n) => {
                received.extend_from_slice(&buffer[..n]);
                answers += take_frames(&mut received);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok((answers, true));
            }
            Err(_) => return Ok((answers + 1, false)),
        }
    }
}

/// Takes the whole responses out of what was received.
fn take_frames(received: &mut Vec<u8>) -> u64 {
    let mut count = 0;
    let mut at = 0;
    while let Some(prefix) = received.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = usize::try_from(i32::from_be_bytes(*prefix)).expect("a broker's frame has a length");
        if received.len() - at - 4 < length {
            break;
        }
        at += 4 + length;
        count += 1;
    }
    received.drain(..at);
    count
}

/// Changes a few bytes, mostly of the body, and mostly keeps the length of the frame true.
fn mutate(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = frame.to_vec();
    let from = if random.below(16) == 0 { BEHIND_VERSION } else { BEHIND_CLIENT_ID };
    for _ in 0..=random.below(4) {
        let at = from + random.below(out.len().saturating_sub(from).max(1));
        match random.below(8) {
            0 if out.len() > 12 => out.truncate(at.max(9)),
            1 => replace(&mut out, at, &i32::MAX.to_be_bytes()),
            2 => replace(&mut out, at, &(-1i32).to_be_bytes()),
            3 => replace(&mut out, at, &[0xff; 5]),
            4 => replace(&mut out, at, &i64::MIN.to_be_bytes()),
            5 => {
                let extra: Vec<u8> = (0..random.below(20)).map(|_| random.number() as u8).collect();
                let at = at.min(out.len());
                out.splice(at..at, extra);
            }
            _ => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    let length = match random.below(200) {
        0 => random.number() as i32,
        _ => i32::try_from(out.len() - 4).unwrap_or(0),
    };
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

fn replace(out: &mut [u8], at: usize, with: &[u8]) {
    for (place, byte) in out.iter_mut().skip(at).zip(with) {
        *place = *byte;
    }
}
