use super::*;
use crate::routing::tests::Sheet;
use crate::routing::{A1Hash, PlanItem};
use proptest::prelude::*;

/// What FreeSWITCH says of itself in every form, shortened.
const HEAD: &str = "hostname=lab&section=directory&tag_name=domain&key_name=name&key_value=Pbx.Example&Event-Name=REQUEST_PARAMS&Core-UUID=9e8b3b06&FreeSWITCH-Hostname=vm&Event-Calling-File=sofia_reg.c&Event-Calling-Function=sofia_reg_parse_auth";

/// A form without anything that would have to be decoded.
fn asked(form: &str) -> DirectoryQuestion {
    DirectoryQuestion::from_form(form.split('&').filter_map(|pair| pair.split_once('=')))
}

fn user_of(domain: &str, extension: &str) -> DirectoryQuestion {
    DirectoryQuestion::User { domain: domain.into(), extension: extension.into() }
}

fn data(name: &str) -> Sheet {
    let a1_hash = A1Hash::of("101", "pbx.example", "secret").unwrap();
    let mut data = Sheet::default();
    data.put(PlanItem::User(User {
        extension: "101".into(),
        domain: "pbx.example".into(),
        name: Some(name.into()),
        context: Some("family".into()),
        a1_hash,
    }));
    data
}

fn answer(form: &str) -> String {
    asked(form).answer(&data("Küche \"Süd\"")).unwrap()
}

#[test]
fn a_registration_is_answered_with_the_hash_and_what_is_set_for_the_calls() {
    let form = format!(
        "{HEAD}&action=sip_auth&sip_profile=internal&sip_user_agent=x&sip_auth_username=101&sip_auth_realm=Pbx.Example&sip_auth_nonce=1&sip_auth_uri=sip:pbx.example&sip_contact_user=101&X-Key=user&sip_auth_response=0&sip_auth_method=REGISTER&key=id&user=101&domain=Pbx.Example&ip=192.0.2.7"
    );
    assert_eq!(asked(&form), user_of("pbx.example", "101"));
    let hash = A1Hash::of("101", "pbx.example", "secret").unwrap().reveal();
    assert_eq!(
        answer(&form),
        format!(
            "<document type=\"freeswitch/xml\"><section name=\"directory\"><domain name=\"pbx.example\"><groups><group name=\"default\"><users>\
             <user id=\"101\" cacheable=\"60000\"><params><param name=\"a1-hash\" value=\"{hash}\"/>\
             <param name=\"dial-string\" value=\"{DIAL_STRING}\"/></params><variables>\
             <variable name=\"user_context\" value=\"family\"/>\
             <variable name=\"effective_caller_id_name\" value=\"Küche &quot;Süd&quot;\"/>\
             <variable name=\"effective_caller_id_number\" value=\"101\"/></variables></user>\
             </users></group></groups></domain></section></document>"
        )
    );
}

#[test]
fn what_the_switch_keeps_of_a_user_is_right_for_whatever_it_needs_him_for_next() {
    let registration = answer(&format!("{HEAD}&action=sip_auth&key=id&user=101&domain=pbx.example"));
    for action in ["&as_channel=true&action=user_call", "&action=message-count", "&action=", ""] {
        // the switch doesn't ask again for another purpose: without the hash the next registration would need none
        assert_eq!(answer(&format!("{HEAD}{action}&key=id&user=101&domain=pbx.example")), registration, "{action}");
    }
    assert!(registration.contains("cacheable=\"60000\""));
    assert!(!DIAL_STRING.contains("$${"), "the preprocessor would fill that in");
}

#[test]
fn what_a_call_carries_along_changes_neither_what_is_asked_nor_for_whom() {
    let form = format!(
        "{HEAD}&as_channel=true&action=user_call&action=sip_auth&section=dialplan&key_value=other&user=666&domain=other&purpose=&key=id&user=101&domain=pbx.example"
    );
    assert_eq!(asked(&form), user_of("pbx.example", "101"));
}

#[test]
fn who_asks_for_credentials_that_are_not_here_is_not_told_that_none_are_needed() {
    for action in ["jsonrpc-authenticate", "reverse-auth-lookup", "SIP_AUTH", "sip_auth_token"] {
        assert_eq!(answer(&format!("{HEAD}&action={action}&key=id&user=101&domain=pbx.example")), NOT_FOUND);
    }
}

#[test]
fn an_enumeration_of_a_domain_of_ours_finds_it_empty() {
    for rest in [
        "&domain=pbx.example&purpose=network-list",
        "&purpose=gateways&profile=internal&domain=pbx.example",
        "&group_name=sales&domain=pbx.example&action=group_call",
        "",
    ] {
        let text = answer(&format!("{HEAD}{rest}"));
        let document = roxmltree::Document::parse(&text).unwrap();
        let domain = document.descendants().find(|n| n.has_tag_name("domain")).unwrap();
        assert_eq!(domain.attribute("name"), Some("pbx.example"));
        assert!(!document.descendants().any(|n| n.has_tag_name("user") || n.has_tag_name("param")), "{text}");
    }
    assert_eq!(answer(&format!("{HEAD}&purpose=network-list").replace("Pbx.Example", "other.example")), NOT_FOUND);
    // mod_sofia at its start, where a profile has <domain name="all">: it names none
    let gateways =
        "hostname=lab&section=directory&tag_name=&key_name=&key_value=&Event-Name=REQUEST_PARAMS&purpose=gateways&profile=internal";
    assert_eq!((asked(gateways), answer(gateways).as_str()), (DirectoryQuestion::Other, NOT_FOUND));
}

#[test]
fn whatever_else_is_asked_is_not_found() {
    let auth = format!("{HEAD}&action=sip_auth&key=id&user=101&domain=pbx.example");
    for (wrong, right) in [("user=102", "user=101"), ("user=", "user=101"), ("=x.example", "=Pbx.Example"), ("=a b", "=Pbx.Example")] {
        assert_eq!(answer(&auth.replace(right, wrong)), NOT_FOUND, "{wrong}");
    }
    for form in
        ["", "section=directory", "section=dialplan&user=101&domain=pbx.example&action=sip_auth", "section=directory&domain=${x}&user=1"]
    {
        assert_eq!(answer(form), NOT_FOUND, "{form}");
    }
    assert!(asked(&auth).answer(&Sheet { is_broken: true, ..data("") }).is_err(), "a failed look-up isn't an absent user");
}

#[test]
fn no_name_can_become_markup_an_expansion_or_a_line_that_is_thrown_away() {
    for name in
        ["\"/><param name=\"a1-hash\" value=\"x", "${system(id)}", "$${hostname}", "<!\"/><x", "<X-PRE-PROCESS cmd=\"exec\"/>", "a\nb\0"]
    {
        let text = user_of("pbx.example", "101").answer(&data(name)).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let elements = document.descendants().filter(roxmltree::Node::is_element).count();
        assert_eq!(elements, 14, "{text}");
        let shown = document.descendants().find(|n| n.attribute("name") == Some("effective_caller_id_name")).unwrap();
        let value = shown.attribute("value").unwrap();
        assert!(!value.contains("${") && !value.contains("<!"), "{value}");
        assert!(!text.contains('\n') && !text.contains("<?") && !text.to_lowercase().contains("x-pre-process"), "{text}");
    }
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = ["section", "tag_name", "key_name", "key_value", "action", "purpose", "user", "domain", "key", "x"];
    let values = ["directory", "domain", "name", "pbx.example", "PBX.EXAMPLE", "101", "sip_auth", "user_call", "gateways", "id", ""];
    let value = prop_oneof![8 => proptest::sample::select(values.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec((proptest::sample::select(names.to_vec()).prop_map(str::to_owned), value), 0..14)
}

proptest! {
    #[test]
    fn whatever_is_asked_the_answer_is_a_document_and_a_user_in_it_always_has_his_hash(
        mut fields in fields(), named in any::<bool>(), name in any::<String>()
    ) {
        if named {
            let head = [("section", "directory"), ("tag_name", "domain"), ("key_name", "name"), ("key_value", "pbx.example"), ("user", "101")];
            fields.splice(0..0, head.map(|(n, v)| (n.to_owned(), v.to_owned())));
        }
        let question = DirectoryQuestion::from_form(fields.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let data = data(&name);
        let text = question.answer(&data).unwrap();
        prop_assert!(roxmltree::Document::parse(&text).is_ok(), "{}", text);
        // a user without one is let in by whoever asks
        let is_user = question == user_of("pbx.example", "101");
        prop_assert_eq!(text.contains(&A1Hash::of("101", "pbx.example", "secret").unwrap().reveal()), is_user);
        prop_assert_eq!(text.contains("<user "), is_user);
    }
}
