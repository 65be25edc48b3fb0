//! The journal in a file: locked, appended, synced.
//!
//! - Writers take `journal.lock`, never the journal itself, and wait at most [`LOCK_WAIT`] for it.
//! - A record is one write at the end, then a sync. If either fails, the file is cut back.
//! - A torn last line is moved to `journal.torn-SEQ`, and a record says so, before anything is
//!   chained. `journal.head` is rewritten under the lock, so that a rotated journal continues.
//! - Every file is 0600 and none is reached through a link.

use super::Journal;
use super::chain::{self, ChainError, Head, MAX_LINE_BYTES};
use super::record::{Entry, EventId, Record, Recorded, VERSION};
use crate::certificate::UnixTime;
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a writer waits for the lock.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How much is read from the end at first; a record is usually under 1 KiB.
const TAIL_BYTES: u64 = 4096;

/// Why a record could not be made durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file cannot be used.
    #[error("cannot use the journal")]
    File(#[from] FileError),
    /// The state directory, or one above it, could be changed by others.
    #[error("state directory: {}: {found}; expected {expected}", path.display())]
    StateDirectory {
        /// The directory.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// Somebody else held the lock all the time.
    #[error("{} was held by another process for {} s", path.display(), LOCK_WAIT.as_secs())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The last record or the head is not what it must be.
    #[error("the journal cannot be continued")]
    Chain(#[source] ChainError),
    /// No random bytes for the event id.
    #[error("the system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// The record could not be put into its form.
    #[error("the record could not be written out")]
    Encoding(#[source] serde_json::Error),
}

impl Failure for JournalError {
    fn class(&self) -> Class {
        Class::NotRecorded
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(_) => "journal_not_writable",
            Self::StateDirectory { .. } => "state_directory_exposed",
            Self::Locked { .. } => "journal_locked",
            Self::Chain(_) => "journal_broken",
            Self::Randomness(_) => "randomness_unavailable",
            Self::Encoding(_) => "record_not_encodable",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::StateDirectory { path, .. } => vec![format!("chmod go-w {}", path.display())],
            Self::Locked { path } => vec![format!("see who holds it: fuser {}", path.display())],
            Self::Chain(_) => vec!["find the place with `warden audit verify`".to_owned()],
            Self::File(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// The journal of a state directory.
#[derive(Debug)]
pub struct FileJournal {
    state_dir: PathBuf,
}

impl FileJournal {
    /// The journal in `state_dir`. The directory is made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// If it cannot be made, or others could change what is in it.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        if !state_dir.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(state_dir)
                .map_err(FileError::io("make", state_dir))?;
        }
        let resolved = state_dir
            .canonicalize()
            .map_err(FileError::io("resolve", state_dir))?;
        file::directory_is_safe(&resolved).map_err(|error| match error {
            FileError::Exposed {
                path,
                found,
                expected,
                ..
            } => JournalError::StateDirectory {
                path,
                found,
                expected,
            },
            other => other.into(),
        })?;
        Ok(Self {
            state_dir: state_dir.to_owned(),
        })
    }

    /// The file the records are in.
    pub fn path(&self) -> PathBuf {
        Self::path_in(&self.state_dir)
    }

    /// The journal file of a state directory.
    pub fn path_in(state_dir: &Path) -> PathBuf {
        state_dir.join("journal.jsonl")
    }

    /// The directory the journal is in.
    pub(crate) fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Takes the journal's lock: as long as it is held, nobody adds a record.
    pub(crate) fn lock(&self) -> Result<File, JournalError> {
        self.lock_file("journal.lock")
    }

    /// Takes a lock in the state directory; it is given back when the file is closed.
    pub(crate) fn lock_file(&self, name: &str) -> Result<File, JournalError> {
        let path = self.state_dir.join(name);
        let lock = self.own_file(&path, OFlags::WRONLY)?;
        let deadline = Instant::now() + LOCK_WAIT;
        let mut pause = Duration::from_micros(200);
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path }),
                Err(TryLockError::Error(error)) => {
                    return Err(FileError::io("lock", &path)(error).into());
                }
            }
        }
    }

    /// Takes a lock in the state directory if nobody has it; it is given back when the file is closed.
    ///
    /// # Errors
    /// If its file cannot be made or is not one of ours.
    pub fn try_lock_file(&self, name: &str) -> Result<Option<File>, JournalError> {
        let path = self.state_dir.join(name);
        let lock = self.own_file(&path, OFlags::WRONLY)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FileError::io("lock", &path)(error).into()),
        }
    }

    fn own_file(&self, path: &Path, access: OFlags) -> Result<File, FileError> {
        let flags = access | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = File::from(file::open(path, flags, Mode::RUSR | Mode::WUSR, "open")?);
        let stat = file::regular(&opened, path)?;
        if stat.st_mode & 0o077 != 0 {
            return Err(FileError::Exposed {
                path: path.to_owned(),
                found: format!("mode {:04o}", stat.st_mode & 0o7777),
                expected: "mode 0600",
                fix: Some(format!("chmod 600 {}", path.display())),
            });
        }
        Ok(opened)
    }

    /// Cuts off a torn last line, keeping it in a file of its own.
    fn set_aside(
        &self,
        journal: &mut OpenJournal,
        tail: &Tail,
        seq: u64,
    ) -> Result<Entry, JournalError> {
        let mut torn = Vec::new();
        journal
            .file
            .seek(SeekFrom::Start(tail.complete))
            .map_err(FileError::io("read", &journal.path))?;
        // Bounded, because `tail` gives up on a journal that ends in too long a line.
        journal
            .file
            .read_to_end(&mut torn)
            .map_err(FileError::io("read", &journal.path))?;
        let mut name = format!("journal.torn-{seq}");
        for attempt in 2.. {
            let path = self.state_dir.join(&name);
            match file::create_new(&path, &torn, 0o600) {
                // Left by an earlier repair that was cut short itself, perhaps of another line.
                Err(FileError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::AlreadyExists =>
                {
                    let kept = file::read_bounded(&path, torn.len(), Links::Refuse);
                    if kept.is_ok_and(|kept| kept == torn) {
                        break;
                    }
                    name = format!("journal.torn-{seq}.{attempt}");
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        file::sync_directory(&self.state_dir)?;
        journal.cut_back(tail.complete)?;
        Ok(Entry::repaired(name, torn.len() as u64))
    }
}

impl Journal for FileJournal {
    fn append_with(
        &self,
        entry: &mut dyn FnMut() -> Entry,
        at: UnixTime,
    ) -> Result<Recorded, JournalError> {
        let event_id = EventId::random().map_err(JournalError::Randomness)?;
        let _lock = self.lock()?;
        let path = self.path();
        let mut journal = OpenJournal {
            file: self.own_file(&path, OFlags::RDWR)?,
            path,
        };
        let tail = journal.tail()?;
        let mut head = self.continued(&tail)?;
        // Opened before anything is written: whatever stands in its way stops the record too.
        let head_path = self.state_dir.join("journal.head");
        let mut head_file = self.own_file(&head_path, OFlags::WRONLY)?;
        if tail.torn {
            let repair = self.set_aside(&mut journal, &tail, head.seq.saturating_add(1))?;
            let repair_id = EventId::random().map_err(JournalError::Randomness)?;
            head = journal.write(&record(repair, &head, repair_id, at), tail.complete)?;
        }
        let end = journal.length()?;
        let before = head.clone();
        let head = journal.write(&record(entry(), &head, event_id.clone(), at), end)?;
        if end == 0
            && let Err(error) = file::sync_directory(&self.state_dir)
        {
            journal.cut_back(end)?;
            return Err(error.into());
        }
        if let Err(error) = write_head(&mut head_file, &head) {
            // The caller is told that nothing was recorded, so nothing may be: not in the head either.
            drop(write_back(&mut head_file, &before));
            journal.cut_back(end)?;
            return Err(FileError::io("write", &head_path)(error).into());
        }
        Ok(Recorded {
            seq: head.seq,
            event_id,
        })
    }
}

fn record(entry: Entry, head: &Head, event_id: EventId, at: UnixTime) -> Record {
    Record {
        v: VERSION,
        seq: head.seq.saturating_add(1),
        prev: head.hash.clone(),
        at: at.to_string(),
        event_id,
        entry,
    }
}

impl FileJournal {
    /// The head to continue from: the last record, or `journal.head` where the journal was rotated.
    fn continued(&self, tail: &Tail) -> Result<Head, JournalError> {
        let Some(kept) = chain::read_head(&self.state_dir).map_err(JournalError::Chain)? else {
            return Ok(tail.head.clone());
        };
        let source_of = "journal.head";
        match tail.head.seq {
            _ if tail.complete == 0 => Ok(kept),
            found if found < kept.seq => Err(JournalError::Chain(ChainError::EndsEarly {
                found,
                expected: kept.seq,
                source_of,
            })),
            seq if seq == kept.seq && tail.head.hash != kept.hash => {
                let (found, expected) = (tail.head.hash.clone(), kept.hash);
                Err(JournalError::Chain(ChainError::HeadDiffers {
                    seq,
                    found,
                    expected,
                    source_of,
                }))
            }
            seq if seq == kept.seq => Ok(tail.head.clone()),
            // The last writer was killed before it wrote the head, or somebody else wrote records.
            _ => {
                chain::continues(&self.path(), tail.complete, &kept)
                    .map_err(JournalError::Chain)?;
                Ok(tail.head.clone())
            }
        }
    }
}

/// Rewrites `journal.head` in place. It is derived from the journal, which is synced already.
fn write_head(file: &mut File, head: &Head) -> std::io::Result<()> {
    let line = format!("{head}\n");
    file.write_all(line.as_bytes())
        .and_then(|()| file.set_len(line.len() as u64))
}

/// Puts the head of before back, after [`write_head`] failed. There is none before the first record.
fn write_back(file: &mut File, before: &Head) -> std::io::Result<()> {
    file.rewind()?;
    match before.seq {
        0 => file.set_len(0),
        _ => write_head(file, before),
    }
}

/// The end of the journal.
struct Tail {
    /// The head of the last whole line.
    head: Head,
    /// How many bytes whole lines take.
    complete: u64,
    /// Whether something without a newline follows them.
    torn: bool,
}

struct OpenJournal {
    file: File,
    path: PathBuf,
}

impl OpenJournal {
    fn length(&self) -> Result<u64, JournalError> {
        Ok(self
            .file
            .metadata()
            .map_err(FileError::io("inspect", &self.path))?
            .len())
    }

    /// Reads back from the end until the last whole line is found.
    fn tail(&mut self) -> Result<Tail, JournalError> {
        let length = self.length()?;
        let mut wanted = TAIL_BYTES;
        loop {
            let start = length.saturating_sub(wanted);
            // One byte more, so that a single read sees the end.
            let capacity = usize::try_from(length - start).unwrap_or(0) + 1;
            let mut end = Vec::with_capacity(capacity);
            self.file
                .seek(SeekFrom::Start(start))
                .map_err(FileError::io("read", &self.path))?;
            (&self.file)
                .take(wanted)
                .read_to_end(&mut end)
                .map_err(FileError::io("read", &self.path))?;
            let last_newline = end.iter().rposition(|byte| *byte == b'\n');
            let line_start = last_newline.and_then(|at| {
                end[..at]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map(|before| before + 1)
            });
            match (last_newline, line_start) {
                (None, _) if start == 0 => {
                    return Ok(Tail {
                        head: Head::empty(),
                        complete: 0,
                        torn: !end.is_empty(),
                    });
                }
                (Some(newline), line_start) if start == 0 || line_start.is_some() => {
                    let line = &end[line_start.unwrap_or(0)..newline];
                    let complete = start + newline as u64 + 1;
                    let head = chain::head_of(line).map_err(|detail| self.not_a_record(detail))?;
                    return Ok(Tail {
                        head,
                        complete,
                        torn: complete < length,
                    });
                }
                _ if wanted > 2 * MAX_LINE_BYTES as u64 => {
                    return Err(self.not_a_record("no line ends near its end".to_owned()));
                }
                _ => wanted *= 8,
            }
        }
    }

    fn not_a_record(&self, detail: String) -> JournalError {
        // The line's number is not known from the end; the last one is meant.
        JournalError::Chain(ChainError::LastLine {
            path: self.path.clone(),
            detail,
        })
    }

    /// Writes one line at `end` and syncs it; if that fails, cuts the file back to `end`.
    fn write(&mut self, record: &Record, end: u64) -> Result<Head, JournalError> {
        let mut line = serde_json::to_vec(record).map_err(JournalError::Encoding)?;
        let hash = chain::hash_of(&line);
        line.push(b'\n');
        let written = self
            .file
            .seek(SeekFrom::Start(end))
            .and_then(|_| self.file.write_all(&line))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If this fails too, a torn line stays, which the next append sets aside.
            drop(self.cut_back(end));
            return Err(FileError::io("write", &self.path)(error).into());
        }
        Ok(Head {
            seq: record.seq,
            hash,
        })
    }

    fn cut_back(&mut self, length: u64) -> Result<(), JournalError> {
        self.file
            .set_len(length)
            .and_then(|()| self.file.sync_data())
            .map_err(FileError::io("cut back", &self.path))?;
        Ok(())
    }
}
