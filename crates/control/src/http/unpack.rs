//! A tar stream into a directory of a session. The stream is a stranger's: every header is checked, links and devices are refused,
//! names cannot leave the directory, and the node keeps its own bounds besides.

use std::io;

use madang_ids::SandboxId;
use madang_node_api::WriteWhen;
use madang_public_api::{ProblemKind, bounds};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::app::{App, Failure};

const BLOCK: usize = 512;
/// Entries of one archive.
const ENTRIES_MAX: usize = 100_000;
/// A header that only carries a long name, bytes.
const LONG_NAME_BYTES_MAX: u64 = 64 << 10;
const PIPE_BYTES: usize = 64 << 10;

/// What the header of an entry says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    name: String,
    size: u64,
    kind: u8,
}

/// Writes every file of the archive below `directory`; returns their bytes. What was written before a failure stays.
pub(super) async fn unpack(
    app: &App,
    sandbox: SandboxId,
    directory: &str,
    mut from: impl AsyncRead + Send + Unpin,
) -> Result<u64, Failure> {
    let mut total = 0;
    let mut long_name = None;
    for _ in 0..ENTRIES_MAX {
        let Some(header) = next_header(&mut from).await? else { return Ok(total) };
        match header.kind {
            b'0' | 0 => {
                let name = long_name.take().unwrap_or(header.name);
                let path = format!("{}/{}", directory.trim_end_matches('/'), name.trim_start_matches("./"));
                app.check_path(name.trim_start_matches("./"))?;
                app.check_path(&path)?;
                write_file(app, sandbox, &path, (&mut from).take(header.size)).await?;
                skip(&mut from, padding(header.size)).await?;
                total += header.size;
            }
            // Directories come with their files; an empty one is not worth a header's trust.
            b'5' => long_name = None,
            b'x' => long_name = pax_path(&long(&mut from, header.size).await?).or(long_name),
            b'L' => long_name = Some(text(&long(&mut from, header.size).await?)),
            b'g' => drop(long(&mut from, header.size).await?),
            _ => {
                let name = long_name.unwrap_or(header.name);
                return Err(refused(format!("`{name}` is neither a file nor a directory")));
            }
        }
    }
    Err(Failure { limit: Some("ENTRIES_MAX".into()), ..refused(format!("more than {ENTRIES_MAX} entries")) })
}

async fn write_file(
    app: &App,
    sandbox: SandboxId,
    path: &str,
    mut from: impl AsyncRead + Unpin,
) -> Result<(), Failure> {
    let (mut writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let copy = async move {
        let copied = tokio::io::copy(&mut from, &mut writer).await;
        // A node that has refused the file reads no more; its own reason is the one to tell.
        let _ = writer.shutdown().await;
        copied
    };
    let (written, copied) = tokio::join!(app.node.file_write(sandbox, path, WriteWhen::Always, Box::pin(reader)), copy);
    let written = written?.size_bytes;
    match copied {
        Ok(copied) if copied == written => Ok(()),
        Ok(_) => Err(Failure::new(ProblemKind::Unavailable, "the node did not take the whole file")),
        Err(error) => Err(cut(&error)),
    }
}

/// The next header; none at the end of the archive.
async fn next_header(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Header>, Failure> {
    let mut block = [0; BLOCK];
    from.read_exact(&mut block).await.map_err(|error| cut(&error))?;
    if block.iter().all(|byte| *byte == 0) {
        // The rest is padding; reading it lets the client finish its request.
        tokio::io::copy(from, &mut tokio::io::sink()).await.map_err(|error| cut(&error))?;
        return Ok(None);
    }
    header(&block).map(Some).ok_or_else(|| refused("a header is damaged".into()))
}

fn header(block: &[u8; BLOCK]) -> Option<Header> {
    let checksum = |index: usize, byte: u8| if (148..156).contains(&index) { u64::from(b' ') } else { u64::from(byte) };
    let sum: u64 = block.iter().enumerate().map(|(index, byte)| checksum(index, *byte)).sum();
    if octal(&block[148..156])? != sum {
        return None;
    }
    let size = octal(&block[124..136])?;
    if size > bounds::FILE_BODY_BYTES_MAX {
        return None;
    }
    let name = text(&block[..100]);
    let prefix = if &block[257..262] == b"ustar" && block[262] == 0 { text(&block[345..500]) } else { String::new() };
    let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    Some(Header { name, size, kind: block[156] })
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = text(field);
    let digits = digits.trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// Up to the first NUL, with what is not UTF-8 replaced.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// The value of `path` in records of `LENGTH KEY=VALUE\n`.
fn pax_path(mut records: &[u8]) -> Option<String> {
    let mut path = None;
    while let Some(space) = records.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(String::from_utf8_lossy(value).into_owned());
        }
        records = &records[length..];
    }
    path
}

async fn long(from: &mut (impl AsyncRead + Unpin), size: u64) -> Result<Vec<u8>, Failure> {
    if size > LONG_NAME_BYTES_MAX {
        return Err(Failure { limit: Some("LONG_NAME_BYTES_MAX".into()), ..refused("a name is too long".into()) });
    }
    let mut bytes = Vec::new();
    from.take(size).read_to_end(&mut bytes).await.map_err(|error| cut(&error))?;
    skip(from, padding(size)).await?;
    Ok(bytes)
}

async fn skip(from: &mut (impl AsyncRead + Unpin), bytes: u64) -> Result<(), Failure> {
    let skipped = tokio::io::copy(&mut from.take(bytes), &mut tokio::io::sink()).await;
    skipped.map(drop).map_err(|error| cut(&error))
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn refused(why: String) -> Failure {
    Failure {
        field: Some("archive".into()),
        ..Failure::new(ProblemKind::Invalid, format!("the archive is refused: {why}"))
    }
}

fn cut(error: &io::Error) -> Failure {
    Failure::new(ProblemKind::Malformed, format!("the archive did not arrive whole: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_headers_are_seen() {
        assert_eq!(header(&[1; BLOCK]), None);
        let mut block = [0; BLOCK];
        block[..1].copy_from_slice(b"a");
        block[156] = b'0';
        block[124..128].copy_from_slice(b"0011");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert_eq!(header(&block), Some(Header { name: "a".into(), size: 9, kind: b'0' }));
        block[0] = b'b';
        assert_eq!(header(&block), None);
    }

    #[test]
    fn pax_records_cannot_lie_about_their_length() {
        assert_eq!(pax_path(b"12 path=abc\n"), Some("abc".into()));
        assert_eq!(pax_path(b"9 a=bcde\n12 path=abc\n"), Some("abc".into()));
        for bad in [&b"99 path=abc\n"[..], b"x path=abc\n", b"3 path=abc\n", b"0 \n", b"11 path=abc\n"] {
            assert_eq!(pax_path(bad), None, "{bad:?}");
        }
    }
}
