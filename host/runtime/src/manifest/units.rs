//! Values with units, as texts: sizes (`"64MiB"`) and times (`"100ms"`). Also whole numbers with their bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The form of a size; ends error messages.
pub const SIZE_FORM: &str = "a size is a whole number and a unit, one of B, KiB, MiB, GiB, as in \"64MiB\"";
/// The form of a time; ends error messages.
pub const TIME_FORM: &str = "a time is a whole number and a unit, one of us, ms, s, m, h, d, as in \"100ms\"";

/// The form of a memory mark; ends error messages.
pub const MARK_FORM: &str = "it is a share of the machine's memory, 1% to 100%, or a size, as in \"80%\" or \"2GiB\"";

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const TIME_UNITS_MICROS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

/// A size in bytes, at least 1: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The size as the kernel counts it; a size beyond the address space becomes the largest number.
    pub(super) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A time: a whole number and one of `us`, `ms`, `s`, `m`, `h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub Duration);

/// In its largest unit that makes a whole number.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let fits = |(_, factor): &&(&str, u64)| micros.is_multiple_of((*factor).into()) && micros > 0;
        let (unit, factor) = TIME_UNITS_MICROS.iter().rfind(fits).unwrap_or(&TIME_UNITS_MICROS[0]);
        write!(f, "{}{unit}", micros / u128::from(*factor))
    }
}

/// A time, or `never`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cooldown(pub Option<Duration>);

/// The memory use above which memory is short: a share (`80%`) or a size (`2GiB`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryMark {
    /// In percent, 1 to 100, of the memory of the machine, or of the control group that this process is in.
    Share(u8),
    /// The memory of this process alone.
    Size(ByteSize),
}

/// A whole number, at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AtLeastOne(pub u32);

impl Default for MemoryMark {
    fn default() -> Self {
        Self::Share(90)
    }
}

/// A text; whole numbers, decimal numbers and booleans are taken as they are written out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(pub String);

/// The values that code can ask for by name.
pub(super) fn texts(written: Option<&BTreeMap<String, Text>>) -> BTreeMap<String, String> {
    written.into_iter().flatten().map(|(key, text)| (key.clone(), text.0.clone())).collect()
}

/// A text that is no value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a size.
    #[error("`{0}` is no size")]
    Size(String),
    /// Not a time.
    #[error("`{0}` is no time")]
    Time(String),
    /// Neither a share nor a size.
    #[error("`{0}` is no bound of memory")]
    Mark(String),
    /// More than the number can hold.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// A size of zero.
    #[error("`{0}` is too small: it must be at least 1")]
    Zero(String),
}

/// The number and the factor of its unit.
fn split(text: &str, units: &[(&str, u64)]) -> Option<Result<u64, UnitError>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    if number.is_empty() {
        return None;
    }
    let value = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    Some(value.ok_or_else(|| UnitError::TooLarge(text.to_owned())))
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match split(text, &SIZE_UNITS).unwrap_or_else(|| Err(UnitError::Size(text.to_owned())))? {
            0 => Err(UnitError::Zero(text.to_owned())),
            bytes => Ok(Self(bytes)),
        }
    }
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let micros = split(text, &TIME_UNITS_MICROS).unwrap_or_else(|| Err(UnitError::Time(text.to_owned())))?;
        Ok(Self(Duration::from_micros(micros)))
    }
}

impl FromStr for Cooldown {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "never" { Ok(Self(None)) } else { text.parse::<Time>().map(|time| Self(Some(time.0))) }
    }
}

impl FromStr for MemoryMark {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some(number) = text.strip_suffix('%') else {
            return text.parse().map(Self::Size).map_err(|error| match error {
                UnitError::Size(text) => UnitError::Mark(text),
                other => other,
            });
        };
        let percent = number.trim_end().parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(Self::Share).ok_or_else(|| UnitError::Mark(text.to_owned()))
    }
}

impl fmt::Display for MemoryMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(percent) => write!(f, "{percent}%"),
            Self::Size(size) => size.fmt(f),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            SIZE_UNITS.iter().rev().find(|(_, factor)| self.0.is_multiple_of(*factor)).unwrap_or(&SIZE_UNITS[0]);
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// The size that the writer of `text` may have meant, if it is a near miss: another spelling of a unit, or no unit.
pub fn size_meant(text: &str) -> Option<String> {
    let (number, unit) = near_miss(text)?;
    let unit = match unit.as_str() {
        "" | "byte" | "bytes" | "b" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// As [`size_meant`], for times.
pub fn time_meant(text: &str) -> Option<String> {
    let (number, unit) = near_miss(text)?;
    let unit = match unit.as_str() {
        "µs" | "usec" | "micros" => "us",
        "" | "ms" | "msec" | "millis" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

fn near_miss(text: &str) -> Option<(&str, String)> {
    let text = text.trim().trim_matches(['"', '\'']);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (digits > 0).then(|| (number, unit.trim().to_lowercase()))
}

struct FromText<T>(&'static str, std::marker::PhantomData<T>);

impl<T: FromStr<Err = UnitError>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a size with its unit", std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for MemoryMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a share or a size", std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a time with its unit", std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Cooldown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText("a time with its unit, or \"never\"", std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for AtLeastOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = AtLeastOne;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, at least 1")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<AtLeastOne, E> {
                match u32::try_from(number) {
                    Ok(number) if number > 0 => Ok(AtLeastOne(number)),
                    Ok(_) => Err(E::custom("`0` is too small: it must be at least 1")),
                    Err(_) if number < 0 => Err(E::custom(format!("`{number}` is too small: it must be at least 1"))),
                    Err(_) => Err(E::custom(format!("`{number}` is too large"))),
                }
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<AtLeastOne, E> {
                i64::try_from(number).map_or_else(
                    |_| Err(E::custom(format!("`{number}` is too large"))),
                    |number| self.visit_i64(number),
                )
            }
        }
        deserializer.deserialize_i64(Whole)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Text, E> {
                Ok(Text(truth.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        let size = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("1KiB"), Ok(1024));
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        assert_eq!(size("3GiB"), Ok(3 << 30));
        assert_eq!(size("0B"), Err(UnitError::Zero("0B".into())));
        assert_eq!(size("99999999999GiB"), Err(UnitError::TooLarge("99999999999GiB".into())));
        for bad in ["", "64", "MiB", "64MB", "1.5MiB", "-1B", "64mib"] {
            assert_eq!(size(bad), Err(UnitError::Size(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_bound_of_memory_is_a_share_or_a_size() {
        let mark = |text: &str| text.parse::<MemoryMark>();
        assert_eq!(mark("80%"), Ok(MemoryMark::Share(80)));
        assert_eq!(mark("100 %"), Ok(MemoryMark::Share(100)));
        assert_eq!(mark("2GiB"), Ok(MemoryMark::Size(ByteSize(2 << 30))));
        assert_eq!(
            (mark("80%").unwrap().to_string(), mark("1024MiB").unwrap().to_string()),
            ("80%".into(), "1GiB".into())
        );
        for bad in ["", "%", "80", "0%", "101%", "-1%", "8e1%", "300%", "much"] {
            assert_eq!(mark(bad), Err(UnitError::Mark(bad.into())), "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        let time = |text: &str| text.parse::<Time>().map(|time| time.0);
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(time("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(time("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(time("1h"), Ok(Duration::from_hours(1)));
        for text in ["250us", "1500ms", "90s", "10m", "25h", "0us"] {
            assert_eq!(text.parse::<Time>().map(|time| time.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "5", "s", "5 sec", "1.5s", "-1s"] {
            assert_eq!(time(bad), Err(UnitError::Time(bad.into())), "{bad}");
        }
    }

    #[test]
    fn cooldown_is_a_time_or_never() {
        let cooldown = |text: &str| text.parse::<Cooldown>().map(|cooldown| cooldown.0);
        assert_eq!([cooldown("never"), cooldown("2m")], [Ok(None), Ok(Some(Duration::from_mins(2)))]);
        assert_eq!(cooldown("Never"), Err(UnitError::Time("Never".into())));
    }

    #[test]
    fn near_misses_are_understood() {
        assert_eq!(size_meant("\"64MB\"").as_deref(), Some("64MiB"));
        assert_eq!(size_meant("64").as_deref(), Some("64B"));
        assert_eq!(time_meant("10 sec").as_deref(), Some("10s"));
        assert_eq!(time_meant("soon"), None);
    }

    #[test]
    fn sizes_print_in_the_largest_unit_that_fits() {
        assert_eq!(ByteSize(1 << 20).to_string(), "1MiB");
        assert_eq!(ByteSize(1025).to_string(), "1025B");
    }
}
