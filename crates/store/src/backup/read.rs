//! Reading a copy: nothing of it is believed before all of it was seen.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{BackupError, Cell, Copied, FORMAT, Head, LINE_BYTES_MAX, Line, io_error, table::Table};

/// One thing that a copy says after its head.
pub(super) enum Said {
    Table(Table),
    Row(Vec<Cell>),
    End,
}

/// Reads a file from its first line to its last.
pub(super) struct Reader {
    lines: BufReader<File>,
    line: u64,
    sum: Sha256,
    /// The table that is being read and its rows so far.
    open: Option<(Table, u64)>,
    tables: u64,
    rows: u64,
    pub head: Head,
}

/// Reads the whole copy and says what is in it. A copy that is truncated, or of which anything has changed, is refused.
pub fn check(path: &Path) -> Result<Copied, BackupError> {
    let mut reader = Reader::open(path)?;
    while reader.next()?.is_some() {}
    Ok(Copied { tables: reader.tables, rows: reader.rows, at_ms: reader.head.at_ms })
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(io_error("opening the copy"))?;
        let head = Head { madang_backup: 0, program: String::new(), at_ms: 0, migrations: Vec::new() };
        let (lines, sum) = (BufReader::new(file), Sha256::new());
        let mut reader = Self { lines, line: 0, sum, open: None, tables: 0, rows: 0, head };
        let first = reader.read_line()?;
        let format: serde_json::Value = serde_json::from_slice(&first).map_err(|_| BackupError::Stranger)?;
        match format["madang_backup"].as_u64() {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(BackupError::Newer { what: format!("format {format}") }),
            None => return Err(BackupError::Stranger),
        }
        reader.head = serde_json::from_slice(&first).map_err(|error| reader.damaged(error))?;
        reader.sum.update(&first);
        Ok(reader)
    }

    /// None after the foot, if it is right.
    pub fn next(&mut self) -> Result<Option<Said>, BackupError> {
        let bytes = self.read_line()?;
        let line: Line = serde_json::from_slice(&bytes).map_err(|error| self.damaged(error))?;
        let said = match line {
            Line::Foot { tables, rows, sha256 } => return self.foot((tables, rows), &sha256).map(|()| None),
            Line::Table { table, columns } => {
                if self.open.is_some() {
                    return Err(self.damaged("a table begins in another"));
                }
                let table = Table { name: table, columns };
                self.open = Some((table.clone(), 0));
                Said::Table(table)
            }
            Line::Row(cells) => match &mut self.open {
                Some((table, rows)) if table.columns.len() == cells.len() => {
                    *rows += 1;
                    Said::Row(cells)
                }
                _ => return Err(self.damaged("a row does not belong here")),
            },
            Line::End { end, rows } => match self.open.take() {
                Some((table, seen)) if table.name == end && seen == rows => {
                    self.tables += 1;
                    self.rows += rows;
                    Said::End
                }
                _ => return Err(self.damaged("rows of a table are missing")),
            },
        };
        self.sum.update(&bytes);
        Ok(Some(said))
    }

    fn foot(&mut self, (tables, rows): (u64, u64), sum: &str) -> Result<(), BackupError> {
        if self.open.is_some() || (tables, rows) != (self.tables, self.rows) {
            return Err(self.damaged("tables are missing"));
        }
        if hex(&self.sum.clone().finalize()) != sum {
            return Err(self.damaged("the sum of all lines is not what it was"));
        }
        match self.lines.fill_buf().map_err(io_error("reading the copy"))? {
            [] => Ok(()),
            _ => Err(self.damaged("something follows its end")),
        }
    }

    fn read_line(&mut self) -> Result<Vec<u8>, BackupError> {
        self.line += 1;
        let mut bytes = Vec::new();
        let mut limited = (&mut self.lines).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut bytes).map_err(io_error("reading the copy"))?;
        if bytes.last() == Some(&b'\n') {
            return Ok(bytes);
        }
        match (self.line, bytes.len() as u64) {
            (1, _) => Err(BackupError::Stranger),
            (_, LINE_BYTES_MAX) => Err(self.damaged(format!("a line is longer than {LINE_BYTES_MAX} bytes"))),
            _ => Err(self.damaged("it ends too early")),
        }
    }

    pub fn damaged(&self, why: impl ToString) -> BackupError {
        BackupError::Damaged { line: self.line, why: why.to_string() }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
