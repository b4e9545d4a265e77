//! How much of an earlier audit is read: what is saved is never more.

use std::io::{self, Write};

/// Of one file. A finding takes about a kilobyte in what `--save` writes, so that this is half a million.
pub(super) const MOST_BYTES: u64 = 512 << 20;

/// A file that can be read again: what gets longer fails to be written, since nobody would know before it is wanted.
pub(in super::super) struct Readable<'w> {
    out: &'w mut dyn Write,
    left: u64,
}

impl<'w> Readable<'w> {
    pub(in super::super) fn of(out: &'w mut dyn Write) -> Readable<'w> {
        Readable { out, left: MOST_BYTES }
    }
}

impl Write for Readable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            let most = MOST_BYTES >> 20;
            let text = format!(
                "it would have more than {most} MiB, which --compare does not read: save parts of the cluster (-n)"
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        };
        self.left = left;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let mut out = Vec::new();
        let mut file = Readable { out: &mut out, left: 4 };
        file.write_all(b"{}{}").unwrap();
        let error = file.write_all(b"\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "it would have more than 512 MiB, which --compare does not read: save parts of the cluster (-n)"
        );
        assert_eq!(out, b"{}{}");
    }
}
