"""A page read without a browser, and the names that must not harm it."""

from html.parser import HTMLParser

from lassovae import Config

EVIL = "<script>alert(1)</script>"
CONDITIONS = ("F</script><!--", 'N" onmouseover="alert(1)" $x_{ <b>é</b>')
LONG = "x" * 200
RUNS = (EVIL, "../../x", LONG, "日本語", "a&amp;b", "=1+1", "'\"`", "\u2028{{ 7 * 7 }}")
CONFIG = Config(order=2, window=16, encoder="block_mean", lam=0.01)
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Elements (tag, attributes), text outside of scripts and styles; complains where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.elements, self.text, self.code = [], [], [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        (self.code if self.stack and self.stack[-1] in ("script", "style") else self.text).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
