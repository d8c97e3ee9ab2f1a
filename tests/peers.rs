//! Who may come in by a port: a list of networks, and this machine.

mod support;

use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;
use support::{Place, Running, skipped};

/// An address of this machine that others could use. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 254), 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback())
}

/// A connection from an address of this machine to one.
fn connected(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// Whether a connection is closed without a word.
fn is_closed(from: IpAddr, to: SocketAddr) -> bool {
    let mut stream = connected(from, to);
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    // an end, or a reset; a server that would serve waits for the question
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_is_not_in_the_list_is_closed_without_a_word_and_counted() {
    let Some(own) = own_address() else {
        return skipped("this machine has no address but loopback");
    };
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    for (list, is_in) in [("198.51.100.0/24".to_owned(), false), (own.to_string(), true)] {
        let keys = ["agi", "esl", "lookup_http", "http"];
        let text: String = keys.iter().map(|key| format!("{key} = \"0.0.0.0:0\"\n{key}_allow = [\"{list}\"]\n")).collect();
        let place = Place::new(&text);
        let server = Running::start(place.command(&["serve"]));
        let doors = [server.agi, server.esl, server.lookup_http, server.http];
        for (key, door) in keys.iter().zip(doors) {
            let at = |to: IpAddr| SocketAddr::from((to, door.port()));
            // who comes from another address than the one that was asked could be anybody
            assert_eq!(is_closed(own, at(loopback)), !is_in, "{key} from {own}, allowed: {list}");
            assert!(!is_closed(own, at(own)), "{key} from this machine at {own}, allowed: {list}");
            assert!(!is_closed(loopback, at(loopback)), "{key} from this machine");
        }
        let endings = &place.done(&["status", "--json"]).json()["endings"];
        let denied = endings.as_array().unwrap().iter().find(|e| e[0] == "denied").map(|e| e[1].as_u64());
        assert_eq!(denied, Some(Some(if is_in { 0 } else { 3 })), "{endings}");
    }
}

#[test]
fn monitor_is_no_stranger_at_the_address_that_the_switch_on_another_machine_uses() {
    let Some(own) = own_address() else {
        return skipped("this machine has no address but loopback");
    };
    let agi = SocketAddr::from((own, 0));
    let others: String = ["esl", "lookup_http", "http"].map(|key| format!("{key} = \"127.0.0.1:0\"\n")).concat();
    let place = Place::new(&format!("agi = \"{agi}\"\nagi_allow = [\"198.51.100.7\"]\n{others}"));
    let _server = Running::start(place.command(&["serve"]));
    place.settled();
    // a busy machine may take its time
    let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_port_that_the_network_reaches_does_not_open_without_a_list() {
    let place = Place::new("");
    let said = place.run(&["serve", "--agi", "0.0.0.0:0"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("agi = 0.0.0.0:0 can be reached from the network") && said.err.contains("agi_allow"), "{said:?}");
}
