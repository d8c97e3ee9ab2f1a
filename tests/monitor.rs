//! `monitor` speaks to monitoring systems as their plugins do.

mod support;

use support::Place;

#[test]
fn a_server_that_answers_is_ok_and_one_that_does_not_is_critical() {
    let place = Place::with_sample("");
    let said = place.run(&["monitor"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.starts_with("STROWGER CRITICAL - ") && said.out.lines().count() == 1, "{said:?}");
    let _server = place.serve(&[]);
    place.settled();
    // a busy machine may take its time
    let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("STROWGER OK - version ") && said.out.contains(" | answer="), "{said:?}");
    assert!(said.out.contains(" contacts=3 "), "{said:?}");
    let said = place.run(&["monitor", "--warn-ms", "0", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("STROWGER WARNING - a question took "), "{said:?}");
}

#[test]
fn a_switch_that_is_not_heard_is_a_warning() {
    let place = Place::new("[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:1\"\nuser = \"u\"\nsecret = \"s\"\n");
    let _server = place.serve(&[]);
    place.settled();
    assert!(support::within(std::time::Duration::from_secs(20), || {
        let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
        said.code == Some(1) && said.out.contains("the switch pbx isn't heard: ")
    }));
}
