//! The shape of a Rust file: its functions, and which of its lines are test code.

use std::ops::Range;

use crate::{Kind, Token};

/// One function with a body.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
    /// The tokens between the braces, as places in [`Outline::code`].
    pub body: Range<usize>,
    /// Whether an attribute makes it a test.
    pub is_test: bool,
    /// Whether a panic is what the test expects.
    pub should_panic: bool,
}

/// The shape of one file.
#[derive(Debug)]
pub struct Outline<'a> {
    /// Its tokens, without comments.
    pub code: Vec<Token<'a>>,
    /// Its functions, in order of their first lines; nested ones too.
    pub functions: Vec<Function>,
    /// Places in `code` that only a test build compiles.
    pub test_code: Vec<Range<usize>>,
    /// Modules in other files that only a test build compiles.
    pub test_modules: Vec<String>,
}

impl<'a> Outline<'a> {
    /// Reads the tokens of a file.
    pub fn new(tokens: &[Token<'a>]) -> Self {
        let code = tokens.iter().copied().filter(|token| token.kind != Kind::Comment).collect();
        let mut outline =
            Self { code, functions: Vec::new(), test_code: Vec::new(), test_modules: Vec::new() };
        let mut attributes = Vec::new();
        let mut at = 0;
        while at < outline.code.len() {
            if let Some(attribute) = outline.attribute(at) {
                at = attribute.end;
                attributes.push(attribute);
                continue;
            }
            if attributes.iter().any(|range| outline.is_test_gate(range.clone())) {
                outline.gate(attributes[0].start, at);
                if outline.code[at].is_name("pub") {
                    at = outline.item_name(at);
                }
            }
            // Qualifiers stand between an attribute and its `fn`; anything else ends the attribute's reach.
            if outline.code[at].is_name("fn") {
                outline.function(at, &attributes);
                attributes.clear();
            } else if !is_qualifier(&outline.code[at]) {
                attributes.clear();
            }
            at += 1;
        }
        outline
    }

    /// Whether a place is test code.
    pub fn is_test(&self, at: usize) -> bool {
        self.test_code.iter().any(|range| range.contains(&at))
    }

    /// Whether names follow one another from a place on, with `::` between.
    pub fn is_path(&self, at: usize, names: &[&str]) -> bool {
        names.iter().enumerate().all(|(index, name)| {
            let place = at + 3 * index;
            let joined = index == 0 || (self.is_mark(place - 2, ":") && self.is_mark(place - 1, ":"));
            joined && self.code.get(place).is_some_and(|token| token.is_name(name))
        })
    }

    /// Whether a place holds the given punctuation.
    pub fn is_mark(&self, at: usize, mark: &str) -> bool {
        self.code.get(at).is_some_and(|token| token.is_mark(mark))
    }

    /// The place after the bracket that closes the one at `open`.
    pub fn closed(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.code.iter().enumerate().skip(open) {
            match token.text {
                "(" | "[" | "{" if token.kind == Kind::Mark => depth += 1,
                ")" | "]" | "}" if token.kind == Kind::Mark => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.code.len()
    }

    /// The outer attribute that starts here.
    fn attribute(&self, at: usize) -> Option<Range<usize>> {
        (self.is_mark(at, "#") && self.is_mark(at + 1, "[")).then(|| at..self.closed(at + 1))
    }

    /// Whether an attribute is `cfg(test)`, or names the feature `testing` that test helpers stand behind.
    fn is_test_gate(&self, attribute: Range<usize>) -> bool {
        let has = |text: &str| self.code[attribute.clone()].iter().any(|token| token.text == text);
        has("cfg") && (has("test") || has("testing")) && !has("not")
    }

    /// Marks the item at `item` as test code.
    fn gate(&mut self, start: usize, item: usize) {
        let end = (item..self.code.len())
            .find(|&at| self.is_mark(at, "{") || self.is_mark(at, ";"))
            .map_or(self.code.len(), |at| if self.is_mark(at, "{") { self.closed(at) } else { at + 1 });
        self.test_code.push(start..end);
        let name = self.item_name(item);
        if self.code[name].is_name("mod") && self.is_mark(name + 2, ";") {
            self.test_modules.push(self.code[name + 1].text.to_owned());
        }
    }

    /// Skips visibility.
    fn item_name(&self, item: usize) -> usize {
        match self.code[item].is_name("pub") {
            true if self.is_mark(item + 1, "(") => self.closed(item + 1).min(self.code.len() - 1),
            true => (item + 1).min(self.code.len() - 1),
            false => item,
        }
    }

    /// Adds the function whose `fn` stands at a place, if it has a name and a body.
    fn function(&mut self, at: usize, attributes: &[Range<usize>]) {
        let Some(name) = self.code.get(at + 1).filter(|token| token.kind == Kind::Name) else { return };
        let (name, line) = (name.text.to_owned(), self.code[at].line);
        let mut place = at + 2;
        while place < self.code.len() && !self.is_mark(place, "{") {
            if self.is_mark(place, ";") {
                return;
            }
            let opens = self.is_mark(place, "(") || self.is_mark(place, "[");
            place = if opens { self.closed(place) } else { place + 1 };
        }
        let end = self.closed(place);
        let last = self.code.get(end - 1).map_or(line, |token| token.line);
        let has = |name: &str| {
            attributes.iter().flat_map(|range| &self.code[range.clone()]).any(|t| t.is_name(name))
        };
        let is_test = attributes.iter().any(|range| self.is_test_attribute(range.clone()));
        let should_panic = has("should_panic");
        let body = (place + 1).min(end)..end.saturating_sub(1).max(place + 1).min(self.code.len());
        self.functions.push(Function { name, line, lines: last - line + 1, body, is_test, should_panic });
    }

    /// `#[test]`, also with a path before (`tokio::test`) or arguments behind.
    fn is_test_attribute(&self, attribute: Range<usize>) -> bool {
        let path = self.code[attribute.start + 2..attribute.end - 1].iter();
        path.take_while(|token| token.kind == Kind::Name || token.is_mark(":"))
            .last()
            .is_some_and(|token| token.is_name("test"))
    }
}

fn is_qualifier(token: &Token<'_>) -> bool {
    ["pub", "const", "async", "unsafe", "extern"].iter().any(|name| token.is_name(name))
        || token.kind == Kind::Text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens;

    fn names<'a>(outline: &'a Outline<'_>) -> Vec<(&'a str, usize, bool)> {
        outline.functions.iter().map(|f| (f.name.as_str(), f.lines, f.is_test)).collect()
    }

    #[test]
    fn functions_have_names_lengths_and_attributes() {
        let source = "fn a(x: [u8; 2]) -> u8 {\n let f: fn(u8) = b;\n}\n#[tokio::test]\nasync fn b() {}\n\
                      trait T { fn c(); }\n#[test]\n#[should_panic(expected = \"}\")]\nfn d() { fn e() {} }";
        let tokens = tokens(source);
        let outline = Outline::new(&tokens);
        assert_eq!(names(&outline), [("a", 3, false), ("b", 1, true), ("d", 1, true), ("e", 1, false)]);
        assert!(outline.functions[2].should_panic);
        assert!(outline.functions[0].body.clone().any(|at| outline.code[at].is_name("f")));
    }

    #[test]
    fn functions_inside_macros_count() {
        let tokens = tokens("proptest! { #![x]\n #[test]\n fn a(x in 0..9u8) { prop_assert!(x < 9); } }");
        assert_eq!(names(&Outline::new(&tokens)), [("a", 1, true)]);
    }

    #[test]
    fn test_code_is_what_only_a_test_build_compiles() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\n#[cfg(test)]\npub(crate) mod c;\n\
                      #[cfg(any(test, feature = \"testing\"))]\nmod d;\n#[cfg(not(test))]\nfn e() {}";
        let tokens = tokens(source);
        let outline = Outline::new(&tokens);
        let in_tests =
            |name: &str| outline.code.iter().position(|t| t.is_name(name)).map(|at| outline.is_test(at));
        assert_eq!(in_tests("a"), Some(false));
        assert_eq!(in_tests("b"), Some(true));
        assert_eq!(in_tests("e"), Some(false));
        assert_eq!(outline.test_modules, ["c", "d"]);
    }

    #[test]
    fn paths_are_names_with_colons_between() {
        let tokens = tokens("use std::fs; std.fs");
        let outline = Outline::new(&tokens);
        assert!(outline.is_path(1, &["std", "fs"]));
        assert!(!outline.is_path(6, &["std", "fs"]));
    }
}
