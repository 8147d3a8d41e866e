// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Drawing.h"

using namespace adze::tools;
using llvm::StringRef;

void Drawing::shape(const char *name, Attributes attributes,
                    const std::string &title) {
  body += element(name, attributes,
                  title.empty() ? "" : textElement("title", title));
}

void Drawing::rectangle(double x, double y, double w, double h,
                        const char *style, const std::string &title,
                        double opacity) {
  Attributes attributes{{"class", style},
                        {"x", coordinate(x)},
                        {"y", coordinate(y)},
                        {"width", coordinate(w)},
                        {"height", coordinate(h)}};
  if (opacity < 1)
    attributes.emplace_back("fill-opacity", coordinate(opacity * 100) + "%");
  shape("rect", std::move(attributes), title);
}

void Drawing::line(double x1, double y1, double x2, double y2,
                   const char *style, const std::string &title) {
  shape("line",
        {{"class", style},
         {"x1", coordinate(x1)},
         {"y1", coordinate(y1)},
         {"x2", coordinate(x2)},
         {"y2", coordinate(y2)}},
        title);
}

void Drawing::circle(double x, double y, double r, const char *style,
                     const std::string &title) {
  shape("circle",
        {{"class", style},
         {"cx", coordinate(x)},
         {"cy", coordinate(y)},
         {"r", coordinate(r)}},
        title);
}

void Drawing::path(const std::string &d, const char *style) {
  shape("path", {{"class", style}, {"d", d}}, "");
}

void Drawing::text(double x, double y, StringRef words, const char *style) {
  body += textElement(
      "text", words,
      {{"class", style}, {"x", coordinate(x)}, {"y", coordinate(y)}});
}

void Drawing::scaleY(const Axis &axis, double left, double right,
                     const char *unit) {
  std::vector<double> ticks = axis.ticks(4);
  for (double tick : ticks) {
    double y = axis.at(tick);
    line(left, y, right, y, "grid");
    text(left - 8, y + 4, Axis::label(tick, ticks), "end");
  }
  text(4, 12, unit, "start unit");
}

std::string Drawing::markup(StringRef title, StringRef description) const {
  std::string w = coordinate(width), h = coordinate(height);
  // Grows with the page, up to a point; on a narrow one it scrolls.
  std::string size = "min-width: " + coordinate(0.95 * width) +
                     "px; max-width: " + coordinate(1.32 * width) + "px";
  Attributes attributes{{"viewBox", "0 0 " + w + " " + h},
                        {"style", size},
                        {"role", "img"},
                        {"aria-label", description.str()}};
  return element("div",
                 {{"class", "scroll"},
                  {"role", "region"},
                  {"tabindex", "0"},
                  {"aria-label", title.str()}},
                 element("svg", attributes,
                         textElement("title", title) +
                             textElement("desc", description) + body)) +
         "\n";
}

std::string adze::tools::legend(
    const std::vector<std::pair<std::string, std::string>> &entries) {
  std::string items;
  for (const auto &[style, name] : entries)
    items += element(
        "li", {},
        element("span", {{"class", "key " + style}, {"aria-hidden", "true"}}) +
            escape(name));
  return element("ul", {{"class", "legend"}}, items) + "\n";
}
