//! Tells a Helm template from YAML that is merely broken.

/// The offset of the first Go template action in the document that `text` begins with and that broke at `broken_at`.
///
/// Quoted text, comments and block scalars do not count: good manifests carry templates of other programs there.
pub(super) fn find(text: &str, broken_at: usize) -> Option<usize> {
    let mut block_indent = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        // The document ends here, and the one that broke is not after it.
        if at > broken_at && ends_document(line) {
            return None;
        }
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let inside = block_indent.is_some_and(|header| indent > header || content.trim_end().is_empty());
        if !inside {
            block_indent = opens_block_scalar(content).then_some(indent);
            // A template may close the quotes around it: `"{{ .tag | default "latest" }}"`.
            let breaks_here = (at..at + line.len()).contains(&broken_at);
            if let Some(found) = find_in_line(line, breaks_here) {
                return Some(at + found);
            }
        }
        at += line.len();
    }
    None
}

/// Whether the line is a marker after which the parser begins anew.
pub(super) fn ends_document(line: &str) -> bool {
    line.starts_with("---") || line.starts_with("...")
}

fn opens_block_scalar(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let header = line.trim_end_matches(|character: char| character.is_ascii_digit() || matches!(character, '+' | '-'));
    header.ends_with(['|', '>'])
        && line.len() - header.len() <= 2
        && (header.len() == 1 || header[..header.len() - 1].ends_with(' '))
}

fn find_in_line(line: &str, within_quotes: bool) -> Option<usize> {
    let mut quote = None;
    let mut before = b' ';
    let bytes = line.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let begins = matches!(before, b' ' | b'\t' | b'[' | b'{' | b',' | b':');
        match (quote, byte) {
            (Some(open), _) if byte == open && before != b'\\' => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if begins && !within_quotes => quote = Some(byte),
            (None, b'#') if matches!(before, b' ' | b'\t') => return None,
            // `${{ }}` is of other programs.
            (None, b'{') if bytes.get(at + 1) == Some(&b'{') && before != b'$' => return Some(at),
            _ => {}
        }
        before = byte;
    }
    None
}
