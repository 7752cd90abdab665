//! Who asks, and what is done about it: addresses, their hashes, and the access rules of a listener.

/// An IP address. IPv4-mapped IPv6 addresses come as V4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

impl Address {
    /// From 4 or 16 octets, None for any other number.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        match octets.len() {
            4 => octets.try_into().ok().map(Self::V4),
            _ => octets.try_into().ok().map(Self::V6),
        }
    }

    /// Where it starts a walk through a table; the whole address.
    #[inline]
    pub fn hash(self, seed: u64) -> u64 {
        match self {
            Self::V4(octets) => mix64(seed ^ u64::from(u32::from_be_bytes(octets))),
            Self::V6(octets) => {
                let (high, low) = halves(octets);
                mix64(mix64(seed ^ high) ^ low)
            }
        }
    }

    /// As `hash`, but of the /64 of an IPv6 address, which one host has for itself.
    #[inline]
    pub fn subnet_hash(self, seed: u64) -> u64 {
        match self {
            Self::V4(_) => self.hash(seed),
            Self::V6(octets) => mix64(mix64(seed ^ halves(octets).0) ^ 1),
        }
    }

    fn bits(self) -> u128 {
        match self {
            Self::V4(octets) => u128::from(u32::from_be_bytes(octets)) << 96,
            Self::V6(octets) => u128::from_be_bytes(octets),
        }
    }
}

#[inline]
fn halves(octets: [u8; 16]) -> (u64, u64) {
    let bits = u128::from_be_bytes(octets);
    ((bits >> 64) as u64, bits as u64)
}

/// The finaliser of splitmix64: every bit of the argument decides every bit of the result.
#[inline]
pub fn mix64(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Whom a datagram came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its address.
    pub address: Address,
    /// UDP port.
    pub port: u16,
}

/// What is done with packets from a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Served.
    Allow,
    /// Refused with the kiss DENY.
    Deny,
    /// Silence.
    Ignore,
    /// Only NTS is served.
    RequireNts,
}

/// The rules of one address family: by falling prefix length, and by network within one.
#[derive(Clone, Debug, Default)]
struct Family {
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
struct Level {
    mask: u128,
    rules: Vec<(u128, Action)>,
}

impl Family {
    fn add(&mut self, network: u128, length: u32, action: Action) {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let place = self.levels.partition_point(|level| level.mask > mask);
        if self.levels.get(place).is_none_or(|level| level.mask != mask) {
            self.levels.insert(place, Level { mask, rules: Vec::new() });
        }
        let rules = &mut self.levels[place].rules;
        match rules.binary_search_by_key(&(network & mask), |rule| rule.0) {
            Ok(at) => rules[at].1 = action, // the last of two rules for one network stands
            Err(at) => rules.insert(at, (network & mask, action)),
        }
    }

    fn action(&self, address: u128) -> Action {
        for level in &self.levels {
            let network = address & level.mask;
            if let Ok(at) = level.rules.binary_search_by_key(&network, |rule| rule.0) {
                return level.rules.get(at).map_or(Action::Allow, |rule| rule.1);
            }
        }
        Action::Allow
    }
}

/// The access rules of a listener: the longest prefix that holds an address decides; where none does, it is allowed.
#[derive(Clone, Debug, Default)]
pub struct Access {
    v4: Family,
    v6: Family,
}

impl Access {
    /// Adds a rule; its length is at most 32 or 128. A later rule for the same network replaces an earlier one.
    pub fn add(&mut self, network: Address, length: u32, action: Action) {
        let family = match network {
            Address::V4(_) => &mut self.v4,
            Address::V6(_) => &mut self.v6,
        };
        family.add(network.bits(), length, action);
    }

    /// What is done with packets from an address.
    #[inline]
    pub fn action(&self, address: Address) -> Action {
        match address {
            Address::V4(_) => self.v4.action(address.bits()),
            Address::V6(_) => self.v6.action(address.bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let mut access = Access::default();
        access.add(Address::V4([10, 0, 0, 0]), 8, Action::Deny);
        access.add(Address::V4([10, 1, 0, 0]), 16, Action::Allow);
        access.add(Address::V4([10, 1, 2, 3]), 32, Action::Ignore);
        access.add(Address::V6([0; 16]), 0, Action::RequireNts);
        let of = |octets| access.action(Address::V4(octets));
        assert_eq!(of([10, 2, 0, 1]), Action::Deny);
        assert_eq!(of([10, 1, 0, 1]), Action::Allow);
        assert_eq!(of([10, 1, 2, 3]), Action::Ignore);
        assert_eq!(of([11, 1, 2, 3]), Action::Allow);
        assert_eq!(access.action(Address::V6([0xFF; 16])), Action::RequireNts);
    }

    #[test]
    fn a_later_rule_for_the_same_network_replaces_an_earlier_one() {
        let mut access = Access::default();
        access.add(Address::V4([0; 4]), 0, Action::Deny);
        access.add(Address::V4([0; 4]), 0, Action::Allow);
        assert_eq!(access.action(Address::V4([1, 2, 3, 4])), Action::Allow);
    }

    #[test]
    fn mix64_is_splitmix64s_finaliser() {
        // first output of splitmix64 with state 0: the finaliser of the golden gamma
        assert_eq!(mix64(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix64(0), 0);
    }
}
