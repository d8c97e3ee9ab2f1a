use super::*;

/// The files of a directory, `main` among them, read.
fn read(files: &[(&str, &str)]) -> Conf {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("DIR", &dir.path().display().to_string())).unwrap();
    }
    Conf::read(dir.path(), "main").unwrap()
}

fn values<'a>(conf: &'a Conf, section: &'a str) -> Vec<(&'a str, &'a str)> {
    conf.settings(section).map(|s| (s.key.as_str(), s.value.as_str())).collect()
}

#[test]
fn settings_are_read_as_asterisk_reads_them() {
    let conf = read(&[("main", "a = 0\n[general] ; x\nEnabled=yes;no\nport => 5038\n\n[u]\nsecret = a\\;b ; c\n;dead = 1\n")]);
    assert_eq!(values(&conf, "general"), [("enabled", "yes"), ("port", "5038")]);
    assert_eq!(values(&conf, "U"), [("secret", "a\\;b")]);
    assert_eq!(conf.settings("u").map(|s| s.line).collect::<Vec<_>>(), [7]);
    assert!(!conf.has_section("") && conf.unread().is_empty());
}

#[test]
fn included_files_are_read_whichever_way_they_are_named() {
    for line in [
        "#include one.d/x.conf",
        "#include \"one.d/x.conf\" ; why",
        "  #include <one.d/x.conf>",
        "#INCLUDE\tDIR/one.d/x.conf",
        "#tryinclude one.d/x.conf",
        "#include \"one.d/*.conf\"",
        "#include one.d/*",
        "#include one.d/x*c*f",
    ] {
        let conf = read(&[("main", line), ("one.d/x.conf", "[u]\nread = call\n"), ("one.d/.x.conf", "[hidden]\n")]);
        assert_eq!(values(&conf, "u"), [("read", "call")], "{line}");
        assert!(conf.unread().is_empty() && !conf.has_section("hidden"), "{line}");
        let file = &conf.settings("u").next().unwrap().file;
        assert!(file.ends_with("one.d/x.conf"), "{file}");
    }
}

#[test]
fn an_included_file_lies_in_the_configurations_directory_and_goes_on_in_the_section_that_includes_it() {
    let conf = read(&[
        ("main", "[u]\n#include d/a\nwrite = 2\n"),
        ("d/a", "read = 1\n#include d/b\n[other]\nx = 1\n"),
        ("d/b", "[third]\ny = 1\n"),
    ]);
    assert_eq!(values(&conf, "u"), [("read", "1"), ("write", "2")]);
    assert_eq!((values(&conf, "other"), values(&conf, "third")), (vec![("x", "1")], vec![("y", "1")]));
}

#[test]
fn a_section_begins_with_what_its_templates_have_as_they_stand_then() {
    let conf = read(&[(
        "main",
        "[a](!)\nread = 1\nwrite = 1\n[b](!,a)\nwrite = 2\n[u](b)\nsecret = x\n[v](a, b)\nread = 3\n[a](+)\nlate = 1\n[u](+)\nread = 9\n[w](+,a)\n",
    )]);
    assert!(!conf.has_section("a") && !conf.has_section("b"), "templates are nobody");
    assert_eq!((conf.value("u", "read"), conf.value("u", "write"), conf.value("u", "secret")), (Some("9"), Some("2"), Some("x")));
    assert_eq!((conf.value("v", "read"), conf.value("v", "write"), conf.value("u", "late")), (Some("3"), Some("2"), None));
    assert_eq!(conf.value("w", "late"), Some("1"));
    assert_eq!(conf.missing().len(), 1, "{:?}", conf.missing());
    let conf = read(&[("main", "[u](nobody)\n[v](v)\n")]);
    assert!(conf.missing()[0].starts_with("line 1 of ") && conf.missing()[0].ends_with("main takes from [nobody]"));
    assert!(conf.missing()[1].ends_with("takes from [v]"), "{:?}", conf.missing());
}

#[test]
fn what_could_not_be_read_is_remembered_with_the_reason() {
    for (line, what) in [
        ("#include gone.conf", "gone.conf (No such file"),
        ("#include sub", "sub (it is no file)"),
        ("#exec /usr/bin/users", "line 1 of "),
        ("#include d*/x.conf", "d*/x.conf (only * in the last part"),
        ("#include sub/[a-z].conf", "sub/[a-z].conf (only * in the last part"),
        ("#include gone/*.conf", "gone/*.conf (No such file"),
        ("#include main", "more than 10)"),
    ] {
        let conf = read(&[("main", line), ("sub/x.txt", "")]);
        assert!(conf.unread().len() == 1 && conf.unread()[0].contains(what), "{line}: {:?}", conf.unread());
    }
    for line in ["#tryinclude gone.conf", "#include sub/*.conf", "#", "#include"] {
        assert!(read(&[("main", line), ("sub/x.txt", "")]).unread().len() <= usize::from(line == "#include"), "{line}");
    }
}

#[test]
fn files_that_include_each_other_and_templates_that_double_come_to_an_end() {
    let conf = read(&[("main", &"#include main\n".repeat(1000))]);
    assert!(conf.files.len() <= FILES_MAX && conf.unread().len() <= REMARKS_MAX + 1, "{:?}", conf.unread());
    let mut text = "[t0](!)\nx = 1\n".to_owned();
    (1..64).for_each(|n| text.push_str(&format!("[t{n}](t{m},t{m})\n", m = n - 1)));
    let conf = read(&[("main", &text)]);
    assert_eq!(conf.unread(), [format!("what follows {SETTINGS_MAX} settings")]);
    assert!(conf.sections.iter().map(|s| s.settings.len()).sum::<usize>() <= SETTINGS_MAX);
}

proptest::proptest! {
    #[test]
    fn a_star_stands_for_any_text(start in "[ab.]{0,3}", middle in "[ab.]{0,3}", end in "[ab.]{0,3}", a in "[ab.]{0,4}", b in "[ab.]{0,4}") {
        let name = format!("{start}{a}{middle}{b}{end}");
        let is_fit = fits(&format!("{start}*{middle}*{end}"), &name);
        proptest::prop_assert!(is_fit);
        let is_fit = fits(&format!("{start}*c*{end}"), &name);
        proptest::prop_assert!(!is_fit);
    }
}
