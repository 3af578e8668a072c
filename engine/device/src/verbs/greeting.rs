//! How endpoints learn each other's address.
//!
//! A datagram tells the port that it is from and, beside its payload, its endpoint's Q_Key. To answer
//! along every path takes the whole [`EndpointAddress`], and that comes in datagrams of the device's
//! own, which never go up:
//!
//! ```text
//!   who resolves an address   -- I am: address ---------->   from then on knows where to answer
//!
//!   who is sent to by a stranger, because that was lost, or comes late:
//!                             <--------- who are you? ---    holds the stranger's datagrams back
//!                             -- I am: address ---------->   and goes on with them
//! ```

use super::address::EndpointAddress;

/// What devices tell each other, beside [bundles](crate::bundle).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    WhoAreYou,
    IAm(EndpointAddress),
    /// To oneself, to see what arrives.
    Probe,
}

impl Greeting {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::WhoAreYou => vec![WHO_ARE_YOU],
            Self::IAm(address) => [&[I_AM], &address.to_bytes()[..]].concat(),
            Self::Probe => vec![PROBE],
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&WHO_ARE_YOU, []) => Some(Self::WhoAreYou),
            (&I_AM, address) => EndpointAddress::from_bytes(address).map(Self::IAm),
            (&PROBE, []) => Some(Self::Probe),
            _ => None,
        }
    }
}

const WHO_ARE_YOU: u8 = 1;
const I_AM: u8 = 2;
const PROBE: u8 = 3;

/// Marks a Q_Key beside a payload: the payload is of the devices' own, a greeting or a bundle, which
/// begin differently. Q_Keys do not have this bit.
pub(super) const OWN: u32 = super::address::CONTROLLED;

#[cfg(test)]
mod tests {
    use super::super::address::RailAddress;
    use super::super::gid::Gid;
    use super::*;

    #[test]
    fn greetings_are_read_as_they_were_written() {
        let rail = RailAddress { gid: Gid([9; 16]), lid: 0, queue_pairs: vec![17] };
        let address = EndpointAddress { qkey: 5, bundles: true, rails: vec![rail] };
        for greeting in [Greeting::WhoAreYou, Greeting::IAm(address), Greeting::Probe] {
            let bytes = greeting.to_bytes();
            assert_eq!(Greeting::from_bytes(&bytes), Some(greeting));
            assert_eq!(Greeting::from_bytes(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(Greeting::from_bytes(&[]), None);
        assert!(crate::bundle::split(&[WHO_ARE_YOU, 0, 1, 0]).is_err());
        assert_eq!(Greeting::from_bytes(&[I_AM, 1]), None);
    }
}
