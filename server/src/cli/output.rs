//! What commands print. A name may be anything that people chose, so nothing reaches a terminal that could move its
//! cursor, change its colours or turn its text around.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write as _};

use serde::Serialize;

use super::args::Output;
use super::failure::Failure;

/// Prints a text.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Prints bytes as they are. A reader that has gone (`quire doc log | head`) has what it wanted.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::failed(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Whether standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Says on standard error what went wrong.
pub(super) fn complain(sentence: &str) {
    // If standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {}", harmless(sentence));
}

/// Says on standard error what was done.
pub(super) fn remark(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(sentence));
}

/// Says on standard error what the operator should know.
pub(super) fn warn(sentence: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", harmless(sentence));
}

/// Prints items in the form that was asked for; each row of the table is one item.
pub(super) fn print_list<T: Serialize, const N: usize>(
    output: Output,
    items: &[T],
    head: [&str; N],
    row: impl Fn(&T) -> [String; N],
) -> Result<(), Failure> {
    match output {
        Output::Table => print(&table(head, &items.iter().map(row).collect::<Vec<_>>())),
        Output::Json => print(&json(&items)),
        Output::Ndjson => print(&items.iter().map(|item| json(item)).collect::<String>()),
    }
}

/// A value as one line of JSON.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).expect("a printed value has no maps with odd keys");
    text + "\n"
}

/// Rows in columns as wide as they have to be.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    });
    let mut text = line(&head, &widths);
    for row in rows {
        text += &line(row, &widths);
    }
    text
}

fn line(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        write!(line, "{:width$}  ", cell.as_ref()).expect("a string takes everything");
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// A name in a table: as it is, or in quotes with escapes where it could be mistaken for something else.
pub(super) fn name(name: &str) -> String {
    let plain = !name.contains([' ', '"', '\\']) && harmless(name) == name;
    let odd = name.chars().any(char::is_whitespace);
    if plain && !odd {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// A text of many lines with everything escaped that a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        let layout = matches!(character, '\n' | '\t');
        if !layout && (character.is_control() || is_bidi_control(character)) {
            harmless.extend(character.escape_unicode());
        } else {
            harmless.push(character);
        }
    }
    harmless
}

/// Characters that turn the direction of the text around them, invisibly.
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_deceive_are_quoted() {
        assert_eq!(name("stories/été-1"), "stories/été-1");
        assert_eq!(name("two words"), "\"two words\"");
        assert_eq!(name("say \"hi\""), "\"say \\\"hi\\\"\"");
        assert_eq!(name("a\u{202e}b"), "\"a\\u{202e}b\"");
    }

    #[test]
    fn a_terminal_is_told_nothing_to_obey() {
        assert_eq!(
            harmless("a\n\tb\u{1b}[31m\u{9b}0m\r"),
            "a\n\tb\\u{1b}[31m\\u{9b}0m\\u{d}"
        );
        assert_eq!(harmless("日本語 ✎"), "日本語 ✎");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["é".to_owned(), "1".to_owned()],
            ["longer".to_owned(), "22".to_owned()],
        ];
        assert_eq!(
            table(["NAME", "N"], &rows),
            "NAME    N\né       1\nlonger  22\n"
        );
    }
}
