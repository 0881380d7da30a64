//! What a broker's calls of the kernel cost without the broker: loopback, `sendfile`, writes with their checksum and syncs.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{fdatasync, sendfile};
use rustix::io::pwrite;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const SIZES: [(&str, usize); 2] = [("16 KiB", 16 << 10), ("1 MiB", 1 << 20)];
/// That send a file.
const CONNECTIONS: u64 = 4;
/// For one measurement.
const TIME: Duration = Duration::from_secs(4);

#[derive(clap::Args, Clone)]
pub(crate) struct Limits {
    /// For a file
    folder: PathBuf,
    /// How much each measurement moves, unless its time is over
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
}

/// What the calling thread does, timed.
struct Measured {
    began: Instant,
    cpu: Duration,
    bytes: u64,
}

impl Measured {
    fn begin() -> Self {
        Self { began: Instant::now(), cpu: thread_cpu(), bytes: 0 }
    }

    fn goes_on(&self, bytes: u64) -> bool {
        self.bytes < bytes && self.began.elapsed() < TIME
    }

    fn end(self) -> Value {
        figures(self.bytes, self.began.elapsed(), thread_cpu() - self.cpu)
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

impl Limits {
    /// An object of figures for each name.
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let path = self.folder.join("limits");
        let mut found = serde_json::Map::new();
        let mut add = |name: String, figures: anyhow::Result<Value>| figures.map(|figures| found.insert(name, figures));
        for (size_name, size) in SIZES {
            let _ = std::fs::remove_file(&path);
            add(format!("pwrite and CRC, fresh file, {size_name}"), self.write(&path, size, false))?;
            add(format!("pwrite and CRC, file written over, {size_name}"), self.write(&path, size, false))?;
            // What is dirty belongs to nobody's figures but its own.
            rustix::fs::sync();
            add(format!("pwrite, CRC and fdatasync, {size_name}"), self.write(&path, size, true))?;
            std::fs::remove_file(&path)?;
            add(format!("receive, CRC and pwrite, {size_name}"), self.receive(Some(&path), size))?;
            add(format!("sendfile of what was written in {size_name}"), self.send(&path))?;
        }
        add("receive".to_owned(), self.receive(None, 64 << 10))?;
        std::fs::remove_file(&path)?;
        Ok(Value::Object(found))
    }

    fn bytes(&self) -> u64 {
        self.mebibytes << 20
    }

    fn write(&self, path: &Path, size: usize, sync: bool) -> anyhow::Result<Value> {
        let file = open(path)?;
        let buffer = vec![7; size];
        let mut measured = Measured::begin();
        while measured.goes_on(self.bytes()) {
            black_box(crc32c::crc32c(&buffer));
            measured.bytes += pwrite(&file, &buffer, measured.bytes)? as u64;
            if sync {
                fdatasync(&file)?;
            }
        }
        Ok(measured.end())
    }

    /// Figures of the thread that receives, and writes to a file if there is one.
    fn receive(&self, path: Option<&Path>, size: usize) -> anyhow::Result<Value> {
        let file = path.map(open).transpose()?;
        let (mut sender, mut receiver) = connection()?;
        let bytes = self.bytes();
        let other = thread::spawn(move || {
            let buffer = vec![7; 256 << 10];
            // Until the receiver has enough and closes.
            while sender.write_all(&buffer).is_ok() {}
        });
        let mut buffer = vec![0; size];
        let mut measured = Measured::begin();
        while measured.goes_on(bytes) {
            receiver.read_exact(&mut buffer)?;
            if let Some(file) = &file {
                black_box(crc32c::crc32c(&buffer));
                pwrite(file, &buffer, measured.bytes)?;
            }
            measured.bytes += size as u64;
        }
        let figures = measured.end();
        drop(receiver);
        other.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?;
        Ok(figures)
    }

    /// Figures of as many threads as a fetch has connections, which send a file that is in the page cache.
    fn send(&self, path: &Path) -> anyhow::Result<Value> {
        let began = Instant::now();
        let mut senders = Vec::new();
        for _ in 0..CONNECTIONS {
            let (file, bytes) = (open(path)?, self.bytes() / CONNECTIONS);
            senders.push(thread::spawn(move || send_over(&file, bytes)));
        }
        let (mut bytes, mut cpu) = (0, Duration::ZERO);
        for sender in senders {
            let (sent, spent) = sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
            bytes += sent;
            cpu += spent;
        }
        Ok(figures(bytes, began.elapsed(), cpu))
    }
}

/// What was sent over one connection, and the CPU that it took.
fn send_over(file: &File, bytes: u64) -> anyhow::Result<(u64, Duration)> {
    let length = file.metadata()?.len();
    let (sender, mut receiver) = connection()?;
    let other = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while receiver.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    let mut measured = Measured::begin();
    while measured.goes_on(bytes) {
        let mut position = measured.bytes % length;
        measured.bytes += sendfile(&sender, file, Some(&mut position), 1 << 20)? as u64;
    }
    let sent = (measured.bytes, thread_cpu() - measured.cpu);
    drop(sender);
    other.join().map_err(|_| anyhow::anyhow!("a receiver panicked"))?;
    Ok(sent)
}

fn figures(bytes: u64, took: Duration, cpu: Duration) -> Value {
    let bytes = bytes as f64;
    json!({
        "MB/s": bytes / took.as_secs_f64() / 1e6,
        "CPU s a GiB": cpu.as_secs_f64() / (bytes / f64::from(1 << 30)),
    })
}

fn open(path: &Path) -> anyhow::Result<File> {
    Ok(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?)
}

/// Both ends.
fn connection() -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    Ok((one, other))
}
