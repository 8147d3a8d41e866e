// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An SVG that is drawn element by element.
#ifndef ADZE_TOOLS_ADZE_REPORT_DRAWING_H
#define ADZE_TOOLS_ADZE_REPORT_DRAWING_H

#include "Axis.h"
#include "Markup.h"

namespace adze::tools {

class Drawing {
public:
  Drawing(double width, double height) : width(width), height(height) {}

  /// `title` is shown where a pointer rests on the shape.
  void rectangle(double x, double y, double w, double h, const char *style,
                 const std::string &title = "", double opacity = 1);
  void line(double x1, double y1, double x2, double y2, const char *style,
            const std::string &title = "");
  void circle(double x, double y, double r, const char *style,
              const std::string &title = "");
  void path(const std::string &d, const char *style);
  /// `style` has where x is: "start", "middle" or "end", and more.
  void text(double x, double y, llvm::StringRef words, const char *style);

  /// Lines across from `left` to `right` at the ticks, their labels to the left
  /// and what they are above.
  void scaleY(const Axis &axis, double left, double right, const char *unit);

  /// `description` is for who cannot see it.
  std::string markup(llvm::StringRef title, llvm::StringRef description) const;

  const double width, height;

private:
  void shape(const char *name, Attributes attributes, const std::string &title);
  std::string body;
};

/// What colours mean: pairs of a style and a name.
std::string
legend(const std::vector<std::pair<std::string, std::string>> &entries);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_DRAWING_H
