//! Text on its way into a FreeSWITCH document, with whatever could act there taken out.
//!
//! Facts that shaped it (`out-31-expansion` is a transcript; the others are FreeSWITCH's `switch_xml.c`):
//!
//! * FreeSWITCH expands `${…}` and `$${…}` in what a document says, and `${api(args)}` *runs the API*, whatever stands in
//!   front of it (`out-31-expansion`). So the opening never gets through.
//! * A fetched document goes through the preprocessor of configuration files, line by line, before it is parsed. A line
//!   that holds `X-PRE-PROCESS` anywhere, in any case, is thrown away, and so is one that holds `<?`: a document on one
//!   line must not begin with `<?xml …?>`, and one name could make it vanish.
//! * A user's element is written out and parsed again, and from a `<!` on the rest of a value is written as it is: a name
//!   with `<!` in it could add elements of its own. So `<` never stands before `!`.
//! * XML 1.0 has no place for most control characters, not even as `&#1;`, and a line end inside an attribute is read as
//!   a space.

use quick_xml::escape::escape;

/// What FreeSWITCH takes for "nothing here": it goes on to its next source, in the end its own files.
pub const NOT_FOUND: &str = r#"<document type="freeswitch/xml"><section name="result"><result status="not found"/></section></document>"#;

/// The word that the preprocessor looks for.
const PREPROCESS: &str = "x-pre-process";

/// Text as it stands between the quotes of an attribute.
///
/// * Each control character, each separator of lines and each character that XML 1.0 forbids becomes one space. A space
///   and not nothing: it keeps words apart, and nothing that stood apart becomes neighbours (`$`, NUL, `{`).
/// * A run of `$` directly before `{` is left out, and one of `<` directly before `!`; what they stood before stays.
/// * `<`, `>`, `&`, `'` and `"` become references, and the first hyphen of `X-PRE-PROCESS` too.
#[must_use]
pub fn attribute(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let (mut held, mut count) = ('$', 0);
    for c in text.chars() {
        if matches!(c, '$' | '<') {
            if c != held {
                clean.extend(std::iter::repeat_n(held, count));
                (held, count) = (c, 0);
            }
            count += 1;
            continue;
        }
        if !matches!((held, c), ('$', '{') | ('<', '!')) {
            clean.extend(std::iter::repeat_n(held, count));
        }
        count = 0;
        let forbidden = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
        clean.push(if forbidden { ' ' } else { c });
    }
    clean.extend(std::iter::repeat_n(held, count));
    let mut escaped = escape(clean).into_owned();
    while let Some(at) = escaped.to_ascii_lowercase().find(PREPROCESS) {
        escaped.replace_range(at + 1..at + 2, "&#45;");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(text: &str) -> String {
        let document = format!("<a b=\"{}\"/>", attribute(text));
        let parsed = roxmltree::Document::parse(&document).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        parsed.root_element().attribute("b").unwrap().to_owned()
    }

    #[test]
    fn text_ends_neither_its_attribute_nor_its_element() {
        assert_eq!(attribute(r#"O'Neil & "Sons" <x/>"#), "O&apos;Neil &amp; &quot;Sons&quot; &lt;x/&gt;");
        assert_eq!(attribute("Bäckerei Groß 📞"), "Bäckerei Groß 📞");
    }

    #[test]
    fn what_no_document_can_hold_becomes_a_space() {
        assert_eq!(attribute("a\0b\r\nc\td\u{1b}e\u{85}f\u{2028}g\u{ffff}h\u{fffd}"), "a b  c d e f g h\u{fffd}");
    }

    #[test]
    fn an_expansion_never_survives_also_when_something_stood_inside_it() {
        for (dirty, clean) in [
            ("${A}", "{A}"),
            ("$${A}", "{A}"),
            ("$$${f(x)}", "{f(x)}"),
            ("$\0{A}", "$ {A}"),
            ("$<!{A}", "$!{A}"),
            ("<${!", "&lt;{!"),
            ("$$", "$$"),
            ("a$b{c}", "a$b{c}"),
        ] {
            assert_eq!(attribute(dirty), clean, "{dirty:?}");
        }
    }

    #[test]
    fn a_name_can_neither_make_the_preprocessor_drop_the_line_nor_add_an_element_when_it_is_written_out_again() {
        for text in ["X-PRE-PROCESS", "<x-pre-process cmd=\"exec\"/>", "x-x-Pre-Process", "<? xx-pre-processx-pre-process"] {
            let attribute = attribute(text);
            assert!(!attribute.to_ascii_lowercase().contains(PREPROCESS) && !attribute.contains("<?"), "{attribute}");
            assert_eq!(read_back(text), text);
        }
        assert_eq!(attribute("a<!\"/><param"), "a!&quot;/&gt;&lt;param");
        assert_eq!(read_back("<<<!--#exec x-->"), "!--#exec x-->");
    }

    #[test]
    fn whatever_a_text_holds_the_document_is_one_and_says_it() {
        for text in ["]]>", "< !-- x", "&#36;{x}", "a='b'", "&amp;lt;", "<", "$<$", "%7B"] {
            assert_eq!(read_back(text), text);
        }
    }
}
