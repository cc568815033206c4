//! Foreign text, made safe for a terminal: text of guests and messages must not move the cursor, change colours, or look like a
//! line of the host. Also times and sizes in readable units.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

/// Shows the text on one line, with control characters and direction marks escaped.
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c if is_escaped(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and marks that change the direction of text.
pub fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a body is text that a terminal shows unchanged: UTF-8 with line breaks and tabs, and no character that [`Printable`]
/// would escape.
pub fn is_plain_text(body: &[u8]) -> bool {
    let plain = |c| matches!(c, '\n' | '\r' | '\t') || !is_escaped(c);
    std::str::from_utf8(body).is_ok_and(|text| text.chars().all(plain))
}

/// Foreign bytes for a terminal: text with its line breaks and tabs. Other control characters, and bytes that are no text, are
/// escaped.
pub fn for_terminal(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for piece in chunk.valid().split_inclusive(['\n', '\t']) {
            let text = piece.trim_end_matches(['\n', '\t']);
            let _ = write!(shown, "{}{}", Printable(text), &piece[text.len()..]);
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Sixteen bytes in a line, with their offset and their ASCII characters.
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (n, chunk) in bytes.chunks(16).enumerate() {
        let _ = write!(out, "  {:08x} ", n * 16);
        for place in 0..16 {
            let gap = if place == 8 { "  " } else { " " };
            let _ = match chunk.get(place) {
                Some(byte) => write!(out, "{gap}{byte:02x}"),
                None => write!(out, "{gap}  "),
            };
        }
        let ascii: String =
            chunk.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect();
        let _ = writeln!(out, "  |{ascii}|");
    }
    out
}

/// The beginning of a body as text, at most `most` characters, safe to print.
pub fn preview(body: &[u8], most: usize) -> String {
    // A character has at most 4 bytes, so that only the beginning of the body is decoded.
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * most + 4)]);
    let mut shown = String::new();
    let mut left = most;
    for c in text.chars() {
        let escaped = Printable(c.encode_utf8(&mut [0; 4])).to_string();
        let width = escaped.chars().count();
        if width > left {
            shown.push('…');
            return shown;
        }
        left -= width;
        shown.push_str(&escaped);
    }
    shown
}

/// `2026-11-22T16:46:00.123Z`.
pub fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days since 1970 to a date of the Gregorian calendar: Howard Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms", civil_from_days, for days after 1970.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The time of a text that [`timestamp`] wrote.
pub fn of_timestamp(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let mut of_date = date.splitn(3, '-').map(number);
    let (year, month, day) = (of_date.next()??, of_date.next()??, of_date.next()??);
    let (clock, millis) = time.split_once('.')?;
    let mut of_clock = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (of_clock.next()??, of_clock.next()??, of_clock.next()??);
    let millis = number(millis)?;
    let in_range = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && millis < 1000;
    if !in_range {
        return None;
    }
    // The date as days since 1970: days_from_civil of the source in `timestamp`.
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(seconds * 1000 + millis))
}

/// `123 KiB`, `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// An age in its largest unit: `42s`, `3m`, `2h`, `5d`.
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// `1 restart`, `2 restarts`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_line_breaks_are_escaped() {
        assert_eq!(Printable("a\u{1b}[31mb\nc\u{9b}d\u{202e}é").to_string(), "a\\u{1b}[31mb\\nc\\u{9b}d\\u{202e}é");
    }

    #[test]
    fn terminal_gets_lines_without_control_characters() {
        assert_eq!(for_terminal(b"a\tb\n\nc"), "a\tb\n\nc");
        assert_eq!(for_terminal("é\u{1b}[2J\r\n\u{202e}".as_bytes()), "é\\u{1b}[2J\\r\n\\u{202e}");
        assert_eq!(for_terminal(b"a\xffb\xe2\x82"), "a\\xffb\\xe2\\x82");
    }

    #[test]
    fn a_preview_is_short() {
        assert_eq!(preview(b"short", 60), "short");
        assert_eq!(preview("é".repeat(100).as_bytes(), 3), "ééé…");
        assert_eq!(preview(b"\x1b\x1b", 8), "\\u{1b}…");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(at(1_795_365_960_000), "2026-11-22T16:46:00.000Z");
        assert_eq!(at(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }
}
