//! Who may come in at a port: addresses and networks (CIDR). This machine always may, by loopback and by the address that
//! it listens on: who connects on the machine itself to 192.0.2.5 comes from 192.0.2.5. Nobody else can, because a
//! connection from there is answered to there.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The most networks in one list: it is gone through for each connection.
pub const NETWORKS_MAX: usize = 256;

/// A list of those who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    networks: Vec<IpNet>,
}

/// An address or a network, as written: `192.0.2.10`, `192.0.2.0/24`, `2001:db8::/64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let one = || text.parse::<IpAddr>().map(IpNet::from).ok();
        let network = text.parse::<IpNet>().ok().or_else(one);
        let network = network.ok_or_else(|| format!("{text:?} is no address and no network; write 192.0.2.10 or 192.0.2.0/24"))?;
        if network.addr() != network.network() {
            let network = network.trunc();
            return Err(format!("{text:?} has digits behind its network; write {network}, or the address without the slash"));
        }
        Ok(Network(network))
    }
}

impl Peers {
    /// Those in these networks.
    #[must_use]
    pub fn of(networks: impl IntoIterator<Item = Network>) -> Peers {
        Peers { networks: networks.into_iter().map(|network| network.0).collect() }
    }

    /// Whether nobody is in it but this machine.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The networks, as they were named.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether somebody may come in from there. `at` is the accepted connection's own end (not the listener's, which may be
    /// every address), where it is known.
    #[must_use]
    pub fn allow(&self, from: IpAddr, at: Option<IpAddr>) -> bool {
        // a socket for both families sees IPv4 addresses in IPv6 ones
        let from = from.to_canonical();
        let is_this_machine = from.is_loopback() || at.is_some_and(|at| at.to_canonical() == from);
        is_this_machine || self.networks.iter().any(|network| network.contains(&from))
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this machine")?;
        self.networks.iter().try_for_each(|network| write!(f, ", {network}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_the_list_comes_in_and_nobody_else() {
        let peers = Peers::of(["192.0.2.0/24", "198.51.100.7", "2001:db8::/64"].map(|text| text.parse().expect(text)));
        for (from, may) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.3.0", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8::ffff", true),
            ("2001:db8:0:1::1", false),
        ] {
            assert_eq!(peers.allow(from.parse().expect(from), None), may, "{from}");
        }
        let nobody = Peers::default();
        assert!(nobody.is_empty());
        assert!(nobody.allow(IpAddr::from([127, 0, 0, 2]), None) && !nobody.allow(IpAddr::from([192, 0, 2, 1]), None));
    }

    #[test]
    fn this_machine_comes_in_by_whatever_address_of_its_own_it_asked() {
        let peers = Peers::of(["192.0.2.10".parse().expect("an address")]);
        for (from, at, may) in [
            ("192.0.2.5", "192.0.2.5", true),
            ("::ffff:192.0.2.5", "192.0.2.5", true),
            ("192.0.2.5", "::ffff:192.0.2.5", true),
            ("2001:db8::5", "2001:db8::5", true),
            // a neighbour, whatever it asked, and who is listed
            ("192.0.2.6", "192.0.2.5", false),
            ("192.0.2.5", "192.0.2.6", false),
            ("2001:db8::6", "2001:db8::5", false),
            ("192.0.2.10", "192.0.2.5", true),
        ] {
            let (who, own) = (from.parse().expect(from), at.parse().expect(at));
            assert_eq!(peers.allow(who, Some(own)), may, "{from} at {at}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_write() {
        for (text, what) in
            [("", "is no address"), ("pbx", "is no address"), ("192.0.2.0/33", "is no address"), ("192.0.2.1/24", "write 192.0.2.0/24")]
        {
            let error = text.parse::<Network>().expect_err(text);
            assert!(error.contains(what), "{error}");
        }
    }
}
