#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks a page of adze report.

    check-page.py FILE SECTION...

It is well-formed, has just these sections, refers to nothing outside of it and
holds no script; every drawing has a title and a description, every table a
caption and as many cells in each row as in its head; ids are there once.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

path, sections = sys.argv[1], sys.argv[2:]
text = open(path, encoding="utf-8").read()
assert text.startswith("<!DOCTYPE html>"), text[:40]
page = ElementTree.fromstring(text)
found = [h.text for h in page.iter("h2")]
assert found == sections, found

for node in page.iter():
    assert node.tag not in ("script", "link", "iframe", "img", "object"), node.tag
    for key, value in node.attrib.items():
        assert not key.startswith("on"), key
        assert key not in ("src", "href", "srcset", "action"), (key, value)
        assert "url(" not in value and "//" not in value, (key, value)
style = page.find("head/style").text
assert "@import" not in style and "url(" not in style, "the style loads something"
assert not re.search(r"https?:", text), "an address outside of the page"
assert "prefers-color-scheme: dark" in style

identities = [n.get("id") for n in page.iter() if n.get("id")]
assert len(identities) == len(set(identities)), identities
for label in (n.get("aria-labelledby") for n in page.iter("section")):
    assert label in identities, label
for drawing in page.iter("svg"):
    assert drawing.find("title").text and drawing.find("desc").text
    for node in drawing.iter():
        for key in ("x", "y", "width", "height", "cx", "cy"):
            if key in node.attrib:
                assert float(node.get(key)) >= 0, (node.tag, node.attrib)
for table in page.iter("table"):
    assert table.find("caption").text
    width = len(table.findall("thead/tr/th"))
    rows = table.findall("tbody/tr")
    assert width and rows, table.find("caption").text
    for row in rows:
        assert len(row.findall("td")) == width, ElementTree.tostring(row)
