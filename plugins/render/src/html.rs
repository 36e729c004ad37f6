//! Converts Markdown to HTML that is safe by construction.
//!
//! The writer has a fixed set of elements and attributes. All input text goes through
//! [`Page::text`], which escapes every character with a meaning in HTML. Raw HTML is written as text.
//! A link with an unsafe address is written as its text, without the link.

use std::fmt;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::url::{is_safe_image, is_safe_link};

/// The page would exceed the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the page exceeds its limit of bytes")
    }
}

impl std::error::Error for TooLong {}

/// Renders CommonMark as HTML of at most `max` bytes.
pub fn html(markdown: &str, max: usize) -> Result<String, TooLong> {
    let mut page = Page { out: String::new(), links: Vec::new(), image: None };
    for event in Parser::new_ext(markdown, Options::empty()) {
        page.event(event);
        if page.out.len() > max {
            return Err(TooLong);
        }
    }
    Ok(page.out)
}

struct Page {
    out: String,
    /// For each open link, whether its element was written.
    links: Vec<bool>,
    /// Inside an image: how many are open, and whether the element of the outermost was written. The
    /// content of an image is its description, of which only the text is written.
    image: Option<(usize, bool)>,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        if self.image.is_some() {
            return self.in_image(event);
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => {
                self.out.push_str("<code>");
                self.text(&code);
                self.out.push_str("</code>");
            }
            Event::SoftBreak => self.out.push('\n'),
            Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => self.out.push_str("<hr>\n"),
            // Extensions, which are disabled.
            _ => {}
        }
    }

    fn in_image(&mut self, event: Event<'_>) {
        let Some((depth, element)) = self.image else { return };
        match event {
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) | Event::Code(text) => {
                self.text(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.out.push(' '),
            Event::Start(Tag::Image { .. }) => self.image = Some((depth + 1, element)),
            Event::End(TagEnd::Image) if depth > 1 => self.image = Some((depth - 1, element)),
            Event::End(TagEnd::Image) => {
                self.image = None;
                if element {
                    self.out.push_str("\" loading=\"lazy\" referrerpolicy=\"no-referrer\">");
                }
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.out.push('<');
                self.out.push_str(&level.to_string());
                self.out.push('>');
            }
            Tag::BlockQuote(_) => self.out.push_str("<blockquote>\n"),
            Tag::CodeBlock(kind) => self.code_block(&kind),
            Tag::Paragraph | Tag::HtmlBlock => self.out.push_str("<p>"),
            Tag::List(None) => self.out.push_str("<ul>\n"),
            Tag::List(Some(1)) => self.out.push_str("<ol>\n"),
            Tag::List(Some(start)) => self.out.push_str(&format!("<ol start=\"{start}\">\n")),
            Tag::Item => self.out.push_str("<li>"),
            Tag::Emphasis => self.out.push_str("<em>"),
            Tag::Strong => self.out.push_str("<strong>"),
            Tag::Link { link_type, dest_url, title, .. } => self.link(link_type, &dest_url, &title),
            Tag::Image { dest_url, .. } => {
                let element = is_safe_image(&dest_url);
                self.image = Some((1, element));
                if element {
                    self.out.push_str("<img src=\"");
                    self.text(&dest_url);
                    self.out.push_str("\" alt=\"");
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.out.push_str("</p>\n"),
            TagEnd::Heading(level) => self.out.push_str(&format!("</{level}>\n")),
            TagEnd::BlockQuote(_) => self.out.push_str("</blockquote>\n"),
            TagEnd::CodeBlock => self.out.push_str("</code></pre>\n"),
            TagEnd::List(false) => self.out.push_str("</ul>\n"),
            TagEnd::List(true) => self.out.push_str("</ol>\n"),
            TagEnd::Item => self.out.push_str("</li>\n"),
            TagEnd::Emphasis => self.out.push_str("</em>"),
            TagEnd::Strong => self.out.push_str("</strong>"),
            TagEnd::Link if self.links.pop() == Some(true) => self.out.push_str("</a>"),
            _ => {}
        }
    }

    fn link(&mut self, link_type: LinkType, url: &str, title: &str) {
        let mailto = if link_type == LinkType::Email { "mailto:" } else { "" };
        let url = format!("{mailto}{url}");
        let safe = is_safe_link(&url);
        self.links.push(safe);
        if !safe {
            return;
        }
        self.out.push_str("<a href=\"");
        self.text(&url);
        if !title.is_empty() {
            self.out.push_str("\" title=\"");
            self.text(title);
        }
        self.out.push_str("\" rel=\"nofollow noopener\">");
    }

    /// Begins a code block. The first word after the fence is the language, for highlighters.
    fn code_block(&mut self, kind: &CodeBlockKind<'_>) {
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or(""),
            CodeBlockKind::Indented => "",
        };
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '#');
        if language.is_empty() || !language.chars().all(word) {
            self.out.push_str("<pre><code>");
        } else {
            self.out.push_str(&format!("<pre><code class=\"language-{language}\">"));
        }
    }

    /// Writes text, escaped for use between tags and in quoted attributes.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '`' => self.out.push_str("&#96;"),
                '\n' | '\t' => self.out.push(c),
                c if c.is_control() => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
    }
}
