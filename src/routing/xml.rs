//! Text on its way into a FreeSWITCH document, with whatever could act there taken out.
//!
//! Facts that shaped it:
//!
//! * FreeSWITCH expands `${…}` and `$${…}` in what a document says, and `${api(args)}` *runs the API*, whatever stands in
//!   front of it (transcript `out-31-expansion`). So the opening never gets through.
//! * XML 1.0 has no place for most control characters, not even as `&#1;`, and a line end inside an attribute is read as
//!   a space.

use quick_xml::escape::escape;

/// What FreeSWITCH takes for "nothing here": it goes on to its next source, in the end its own files.
pub const NOT_FOUND: &str = r#"<document type="freeswitch/xml"><section name="result"><result status="not found"/></section></document>"#;

/// Text as it stands between the quotes of an attribute.
///
/// * Each control character, each separator of lines and each character that XML 1.0 forbids becomes one space. A space
///   and not nothing: it keeps words apart, and nothing that stood apart becomes neighbours (`$`, NUL, `{`).
/// * A run of `$` directly before `{` is left out; the brace stays.
/// * `<`, `>`, `&`, `'` and `"` become references.
#[must_use]
pub fn attribute(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut dollars = 0;
    for c in text.chars() {
        if c == '$' {
            dollars += 1;
            continue;
        }
        if c != '{' {
            clean.extend(std::iter::repeat_n('$', dollars));
        }
        dollars = 0;
        let forbidden = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
        clean.push(if forbidden { ' ' } else { c });
    }
    clean.extend(std::iter::repeat_n('$', dollars));
    escape(clean).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (dirty, clean) in
            [("${A}", "{A}"), ("$${A}", "{A}"), ("$$${f(x)}", "{f(x)}"), ("$\0{A}", "$ {A}"), ("$$", "$$"), ("a$b{c}", "a$b{c}")]
        {
            assert_eq!(attribute(dirty), clean);
        }
    }

    #[test]
    fn whatever_a_text_holds_the_document_is_one_and_says_it() {
        for text in ["]]>", "<!-- x", "&#36;{x}", "a='b'", "\u{7f}x", "<![CDATA[", "{$${x}}"] {
            let document = format!("<a b=\"{}\"/>", attribute(text));
            let parsed = roxmltree::Document::parse(&document).unwrap_or_else(|e| panic!("{text:?}: {e}"));
            let read = parsed.root_element().attribute("b").unwrap();
            assert_eq!(read, text.replace("$${", "{").replace('\u{7f}', " "));
        }
    }
}
