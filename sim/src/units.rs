//! Quantities with their units, as scenario files write them: `"100Gbps"`, `"1us"`, `"178450B"`,
//! `"5%"`. A bare number is refused wherever a unit could be meant.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use crate::time::Time;

/// A data rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// Bits per second.
    pub bps: u64,
}

impl Rate {
    /// How long `bytes` take, rounded up to a picosecond.
    pub const fn time_for(self, bytes: u64) -> Time {
        let bits_ps = bytes as u128 * 8 * PS_PER_SECOND as u128;
        Time::from_ps(bits_ps.div_ceil(self.bps as u128) as u64)
    }
}

/// An amount of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// How likely something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Probability {
    /// From a share; `None` outside of 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share, 0 to 1.
    pub const fn share(self) -> f64 {
        self.0
    }

    /// It happens when 63 random bits are below this.
    pub fn threshold(self) -> u64 {
        (self.0 * (1u64 << RANDOM_BITS) as f64) as u64
    }
}

/// How many random bits [`Probability::threshold`] is made for.
pub const RANDOM_BITS: u32 = 63;

/// Text that is not the quantity it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

/// What can be read from a number with a unit.
trait Quantity: Sized {
    const EXPECTED: &'static str;
    const UNITS: &'static [(&'static str, f64)];

    fn from_base(value: f64) -> Option<Self>;

    /// Whether a number without a unit means something.
    fn from_bare(_: f64) -> Option<Self> {
        None
    }

    fn parse(text: &str) -> Result<Self, UnitError> {
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let end = text.find(|c| !digits(c)).unwrap_or(text.len());
        let unit = text[end..].trim_start();
        let scale = Self::UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| scale);
        let number = text[..end].parse::<f64>().ok();
        number
            .zip(scale)
            .and_then(|(number, scale)| Self::from_base(number * scale))
            .ok_or_else(|| UnitError { text: text.to_owned(), expected: Self::EXPECTED })
    }
}

impl Quantity for Rate {
    const EXPECTED: &'static str =
        "a rate above zero such as \"100Gbps\" (bps, kbps, Mbps, Gbps, Tbps)";
    const UNITS: &'static [(&'static str, f64)] =
        &[("bps", 1.0), ("kbps", 1e3), ("Mbps", 1e6), ("Gbps", 1e9), ("Tbps", 1e12)];

    fn from_base(value: f64) -> Option<Self> {
        whole(value).filter(|&bps| bps > 0).map(|bps| Self { bps })
    }
}

impl Quantity for Bytes {
    const EXPECTED: &'static str =
        "a whole number of bytes such as \"178450B\" or \"1MiB\" (B, kB, MB, GB, KiB, MiB, GiB)";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("B", 1.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
    ];

    fn from_base(value: f64) -> Option<Self> {
        (value.fract() == 0.0).then(|| whole(value).map(Self)).flatten()
    }
}

impl Quantity for Time {
    const EXPECTED: &'static str = "a time such as \"1us\" (ps, ns, us, ms, s)";
    const UNITS: &'static [(&'static str, f64)] =
        &[("ps", 1.0), ("ns", 1e3), ("us", 1e6), ("ms", 1e9), ("s", 1e12)];

    fn from_base(value: f64) -> Option<Self> {
        whole(value).map(Self::from_ps)
    }
}

impl Quantity for Probability {
    const EXPECTED: &'static str = "a probability such as \"5%\" or 0.05";
    const UNITS: &'static [(&'static str, f64)] = &[("", 1.0), ("%", 0.01)];

    fn from_base(value: f64) -> Option<Self> {
        Self::new(value)
    }

    fn from_bare(value: f64) -> Option<Self> {
        Self::new(value)
    }
}

/// The nearest whole number, if 64 bits and a float's precision hold it.
fn whole(value: f64) -> Option<u64> {
    (value <= MAX_EXACT).then(|| value.round() as u64)
}

impl std::str::FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

struct QuantityVisitor<Q>(PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for QuantityVisitor<Q> {
    type Value = Q;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Q::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Q, E> {
        Q::parse(text).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Q, E> {
        Q::from_bare(value).ok_or_else(|| E::custom(unit_error::<Q>(&value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Q, E> {
        Q::from_bare(value as f64).ok_or_else(|| E::custom(unit_error::<Q>(&value)))
    }
}

fn unit_error<Q: Quantity>(value: &dyn fmt::Display) -> UnitError {
    UnitError { text: value.to_string(), expected: Q::EXPECTED }
}

macro_rules! deserialize_with_unit {
    ($($quantity:ty),*) => {$(
        impl<'de> Deserialize<'de> for $quantity {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_any(QuantityVisitor::<Self>(PhantomData))
            }
        }
    )*};
}

deserialize_with_unit!(Rate, Bytes, Time, Probability);

/// Written so that reading gives the same value.
macro_rules! serialize_with_unit {
    ($($quantity:ty, $value:ident => $text:expr;)*) => {$(
        impl Serialize for $quantity {
            fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                output.collect_str(&$text)
            }
        }
    )*};
}

serialize_with_unit! {
    Rate, rate => format_args!("{}bps", rate.bps);
    Bytes, bytes => format_args!("{}B", bytes.0);
    Time, time => format_args!("{}ps", time.as_ps());
    Probability, odds => odds.0;
}

const PS_PER_SECOND: u64 = 1_000_000_000_000;
/// Up to here every whole number is a float of its own.
const MAX_EXACT: f64 = (1u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_units_of_each_quantity() {
        assert_eq!(Rate::parse("100Gbps").unwrap().bps, 100_000_000_000);
        assert_eq!(Rate::parse("2.5 Mbps").unwrap().bps, 2_500_000);
        assert_eq!(Bytes::parse("178450B").unwrap(), Bytes(178_450));
        assert_eq!(Bytes::parse("1.5MiB").unwrap(), Bytes(1_572_864));
        assert_eq!(Time::parse("1us").unwrap(), Time::from_ns(1_000));
        assert_eq!(Time::parse("0.1ns").unwrap(), Time::from_ps(100));
        assert_eq!(Probability::parse("5%").unwrap(), Probability::parse("0.05").unwrap());
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in ["", "100", "Gbps", "1.2.3Gbps", "-1Gbps", "0bps", "1gbps", "9999999Tbps"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
        assert!(Bytes::parse("1.5B").is_err());
        assert!(Time::parse("1 hour").is_err());
        assert!(Probability::parse("101%").is_err());
        let error = Bytes::parse("7").unwrap_err().to_string();
        assert!(error.starts_with("\"7\" is not a whole number of bytes"), "{error}");
    }

    #[test]
    fn serialisation_is_rounded_up() {
        assert_eq!(Rate { bps: 100_000_000_000 }.time_for(4_160), Time::from_ps(332_800));
        assert_eq!(Rate { bps: 3 }.time_for(1).as_ps(), 2_666_666_666_667);
    }

    #[test]
    fn certain_means_always() {
        assert_eq!(Probability::new(1.0).unwrap().threshold(), 1 << RANDOM_BITS);
        assert_eq!(Probability::default().threshold(), 0);
    }
}
