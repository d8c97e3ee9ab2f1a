//! XML in the making: elements of text, with whatever no document can hold taken out.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::io;

/// A document.
pub(super) struct Xml(Writer<Vec<u8>>);

impl Xml {
    pub(super) fn begin() -> io::Result<Xml> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Xml(writer))
    }

    /// An element that holds others.
    pub(super) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        inside(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// The same with an attribute.
    pub(super) fn element_with(
        &mut self,
        name: &str,
        attribute: (&str, &str),
        inside: impl FnOnce(&mut Xml) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut start = BytesStart::new(name);
        start.push_attribute(attribute);
        self.0.write_event(Event::Start(start))?;
        inside(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element that holds text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.0.create_element(name).write_text_content(BytesText::new(&clean(text)))?;
        Ok(())
    }

    /// A comment. Two hyphens would end it.
    pub(super) fn comment(&mut self, text: &str) -> io::Result<()> {
        self.0.write_event(Event::Comment(BytesText::from_escaped(format!(" {} ", clean(text).replace('-', "\u{2010}")))))
    }

    pub(super) fn end(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner();
        bytes.push(b'\n');
        bytes
    }
}

/// Text on one line, without controls and without what XML 1.0 has no place for (2.2: U+FFFE, U+FFFF).
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}
