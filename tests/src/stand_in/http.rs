//! As much of HTTP/1.1 as the stand-in speaks.

use super::{Answer, Recorded};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::time::{Duration, Instant};

const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The next request, or nothing at the end of the connection.
pub(super) fn read(stream: &mut impl Read) -> Result<Option<Recorded>> {
    let malformed = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) | Err(_) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(malformed("half a request")),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(error),
        }
        if !head[0].is_ascii_uppercase() || head.len() > MAX_HEAD_BYTES {
            return Err(malformed("no head of a request"));
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next(), first.next());
    let (Some(method), Some(target), Some("HTTP/1.1")) = (method, target, first.next()) else {
        return Err(malformed("not a request"));
    };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(Ok(0), |(_, value)| value.parse())
        .map_err(|_| malformed("a length that is no number"))?;
    if length > MAX_BODY_BYTES {
        return Err(malformed("a body too large"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Recorded {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body,
        at: Instant::now(),
    }))
}

/// Writes an answer; says whether the connection may be used again.
pub(super) fn write(
    stream: &mut impl Write,
    answer: &Answer,
    ended: &dyn Fn() -> bool,
) -> Result<bool> {
    pause(answer.delay, ended);
    if let Some(raw) = &answer.raw {
        stream.write_all(raw)?;
        stream.flush()?;
        return Ok(false);
    }
    let length = answer.body.len() as u64 + answer.filler;
    let mut head = format!("HTTP/1.1 {} Stand-In\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if answer.status != 204 {
        head += &format!("Content-Length: {}\r\n", answer.announced.unwrap_or(length));
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    let body = &answer.body[..answer.cut_at.unwrap_or(answer.body.len())];
    match answer.drip {
        None => stream.write_all(body)?,
        Some(between) => {
            for byte in body {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                pause(between, ended);
                if ended() {
                    return Ok(false);
                }
            }
        }
    }
    let mut left = answer.filler;
    let chunk = [b'x'; 64 * 1024];
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        stream.write_all(&chunk[..usize::try_from(now).unwrap_or(chunk.len())])?;
        left -= now;
    }
    stream.flush()?;
    Ok(answer.cut_at.is_none() && answer.announced.is_none())
}

/// Sleeps, but not beyond the end of the test.
fn pause(duration: Duration, ended: &dyn Fn() -> bool) {
    let until = Instant::now() + duration;
    while Instant::now() < until && !ended() {
        std::thread::sleep(Duration::from_millis(20).min(until - Instant::now()));
    }
}
