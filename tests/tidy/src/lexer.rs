//! Rust source as tokens: enough to tell code from comments and strings, and to match braces.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword; raw names without `r#`.
    Name,
    /// A string of any kind, without quotes and prefix; escapes stand as written.
    Text,
    /// A character, byte or lifetime.
    Quoted,
    /// A number.
    Number,
    /// One character of punctuation.
    Mark,
    /// A comment, doc comments included, with its slashes.
    Comment,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// Its line, from 1.
    pub line: usize,
}

impl Token<'_> {
    /// Whether this is the given name.
    pub fn is_name(&self, name: &str) -> bool {
        self.kind == Kind::Name && self.text == name
    }

    /// Whether this is the given punctuation.
    pub fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }
}

/// All tokens of a source text, comments included. Total: text that is not Rust gives some tokens.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { source, at: 0, line: 1 };
    std::iter::from_fn(|| lexer.next()).collect()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let space = self.rest().len() - self.rest().trim_start().len();
        self.take(space);
        let line = self.line;
        let (kind, length) = self.measure()?;
        let whole = self.take(length);
        let text = match kind {
            Kind::Text => inner(whole),
            Kind::Name => whole.strip_prefix("r#").unwrap_or(whole),
            _ => whole,
        };
        Some(Token { kind, text, line })
    }

    /// Kind and length of the token that starts here.
    fn measure(&self) -> Option<(Kind, usize)> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        if rest.starts_with("//") {
            return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
        }
        if rest.starts_with("/*") {
            return Some((Kind::Comment, block_comment(rest)));
        }
        if let Some(length) = text_length(rest) {
            return Some((Kind::Text, length));
        }
        if first == '\'' || rest.starts_with("b'") {
            return Some((Kind::Quoted, quoted_length(rest)));
        }
        if first.is_ascii_digit() {
            return Some((Kind::Number, number_length(rest)));
        }
        if is_name_char(first) {
            let raw = if rest.starts_with("r#") { 2 } else { 0 };
            return Some((Kind::Name, raw + name_length(&rest[raw..])));
        }
        Some((Kind::Mark, first.len_utf8()))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length];
        self.line += taken.matches('\n').count();
        self.at += length;
        taken
    }
}

fn is_name_char(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn name_length(rest: &str) -> usize {
    rest.find(|letter| !is_name_char(letter)).unwrap_or(rest.len())
}

/// Length of a block comment, with the comments nested in it.
fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        let (step, deeper) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, depth + 1),
            [b'*', b'/', ..] => (2, depth.saturating_sub(1)),
            _ => (1, depth),
        };
        (at, depth) = (at + step, deeper);
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// Length of a string that starts here, with prefix and quotes.
fn text_length(rest: &str) -> Option<usize> {
    let prefix = rest.find(|letter| !matches!(letter, 'b' | 'c' | 'r')).unwrap_or(rest.len());
    let (letters, body) = rest.split_at(prefix);
    if letters.len() > 2 {
        return None;
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    let quoted = body[hashes..].strip_prefix('"')?;
    let opened = prefix + hashes + 1;
    if letters.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(quoted.find(&close).map_or(rest.len(), |at| opened + at + close.len()));
    }
    if hashes > 0 {
        return None;
    }
    let mut escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some(opened + at + 1),
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    Some(rest.len())
}

fn inner(whole: &str) -> &str {
    let opened = whole.trim_start_matches(['b', 'c', 'r', '#']);
    let text = opened.strip_prefix('"').unwrap_or(opened).trim_end_matches('#');
    text.strip_suffix('"').unwrap_or(text)
}

/// Length of a character or a lifetime: `'a'`, `b'\n'`, `'static`.
fn quoted_length(rest: &str) -> usize {
    let opened = rest.find('\'').map_or(rest.len(), |at| at + 1);
    let inside = &rest[opened..];
    let Some(first) = inside.chars().next() else { return rest.len() };
    if first == '\\' {
        let escape = inside.char_indices().nth(2).map_or(inside.len(), |(at, _)| at);
        return inside[escape..].find('\'').map_or(rest.len(), |at| opened + escape + at + 1);
    }
    let after = first.len_utf8();
    if inside[after..].starts_with('\'') { opened + after + 1 } else { opened + name_length(inside) }
}

/// Length of a number; a point belongs to it only before a digit, so that `0..9` stays a range.
fn number_length(rest: &str) -> usize {
    let whole = name_length(rest);
    match rest[whole..].strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|digit: char| digit.is_ascii_digit()) => {
            whole + 1 + name_length(fraction)
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Vec<(Kind, &str)> {
        tokens(source).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn code_comments_and_strings_are_told_apart() {
        let found = of("let r#x = \"a // b \\\" c\"; // d\n/* e /* f */ g */ br#\"h \" i\"# 'j' b'\\'' 'k");
        let expected = [
            (Kind::Name, "let"),
            (Kind::Name, "x"),
            (Kind::Mark, "="),
            (Kind::Text, "a // b \\\" c"),
            (Kind::Mark, ";"),
            (Kind::Comment, "// d"),
            (Kind::Comment, "/* e /* f */ g */"),
            (Kind::Text, "h \" i"),
            (Kind::Quoted, "'j'"),
            (Kind::Quoted, "b'\\''"),
            (Kind::Quoted, "'k"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn ranges_are_not_fractions() {
        assert_eq!(of("0..9")[0], (Kind::Number, "0"));
        assert_eq!(of("1.5e3")[0], (Kind::Number, "1.5e3"));
        assert_eq!(of("'{' '\\u{7b}' x")[2], (Kind::Name, "x"));
    }

    #[test]
    fn lines_count_over_strings_and_comments() {
        let lines: Vec<usize> = tokens("a \"\n\" b /*\n\n*/ c").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 1, 2, 2, 4]);
    }

    #[test]
    fn text_that_is_not_rust_gives_tokens_too() {
        for source in ["\"open", "r#\"open", "'", "/* open", "b'", "'\\", "é\u{301}\"", "r#"] {
            assert!(!tokens(source).is_empty(), "{source}");
        }
    }
}
