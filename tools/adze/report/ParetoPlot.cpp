// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each candidate costs and how well it predicts.

#include "Drawing.h"
#include "Plots.h"
#include "Values.h"
#include <algorithm>
#include <cmath>
#include <tuple>

using namespace adze::tools;
namespace json = llvm::json;

namespace {

struct Point {
  size_t number; // from 1
  double cost, perplexity;
  bool chosen, refused;
  std::string title;
  double x = 0, y = 0;
};

struct Box {
  double x, y, w, h;
  bool overlaps(const Box &o) const {
    return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h;
  }
};

/// Where a number beside a point covers the least.
std::pair<double, double> placeLabel(const Point &point,
                                     const std::vector<Box> &taken) {
  const double w = point.number > 9 ? 16 : 9, h = 13;
  std::pair<double, double> best(point.x, point.y);
  double least = HUGE_VAL;
  int order = 0;
  for (double distance : {15.0, 26.0})
    for (int i = 0; i < 8; ++i, ++order) {
      double angle = (i * 3 % 8 - 1) * M_PI / 4;
      double x = point.x + distance * std::cos(angle),
             y = point.y + distance * std::sin(angle);
      Box box{x - w / 2, y - h / 2, w, h};
      double cost = order * 0.01;
      for (const Box &other : taken)
        cost += other.overlaps(box) ? 1 : 0;
      if (cost < least)
        least = cost, best = {x, y};
    }
  return best;
}

/// Points that no other one beats on both counts, by cost.
std::vector<Point> frontier(std::vector<Point> points) {
  std::sort(points.begin(), points.end(), [](auto &a, auto &b) {
    return std::tie(a.cost, a.perplexity, a.number) <
           std::tie(b.cost, b.perplexity, b.number);
  });
  std::vector<Point> best;
  for (const Point &point : points)
    if (best.empty() || point.perplexity < best.back().perplexity)
      best.push_back(point);
  return best;
}

} // namespace

std::string adze::tools::paretoPlot(const json::Array &candidates) {
  bool timed = std::any_of(
      candidates.begin(), candidates.end(), [](const json::Value &value) {
        const json::Object *row = value.getAsObject();
        return row && numberOf(*row, "predicted_seconds_per_token") > 0;
      });
  const char *key = timed ? "predicted_seconds_per_token" : "bytes_per_token";
  std::vector<Point> points;
  size_t number = 0;
  for (const json::Value &value : candidates) {
    ++number;
    const json::Object *row = value.getAsObject();
    if (!row || numberOf(*row, key) <= 0 || numberOf(*row, "perplexity") <= 0)
      continue;
    points.push_back({number, numberOf(*row, key) * (timed ? 1e3 : 1e-6),
                      numberOf(*row, "perplexity"),
                      row->getBoolean("chosen").value_or(false),
                      row->getBoolean("refused").value_or(false),
                      std::to_string(number) + ": " + candidateText(*row)});
  }
  if (points.size() < 2)
    return "";
  auto range = [&](auto get) {
    auto [least, most] =
        std::minmax_element(points.begin(), points.end(),
                            [&](auto &a, auto &b) { return get(a) < get(b); });
    return std::pair(get(*least), get(*most));
  };
  auto [fastest, slowest] = range([](const Point &p) { return p.cost; });
  auto [best, worst] = range([](const Point &p) { return p.perplexity; });
  bool spread = slowest > 3 * fastest;
  double room = 0.06 * (slowest - fastest);
  Drawing drawing(720, 360);
  const double left = 60, right = 704, top = 28, bottom = 312;
  Axis x(spread ? fastest * 0.88 : std::max(0.0, fastest - room),
         spread ? slowest * 1.12 : slowest + room, left, right, spread);
  bool wide = worst > 4 * best; // or the good ones would be one point
  Axis y(wide ? best * 0.85 : best - 0.12 * (worst - best),
         wide ? worst * 1.1 : worst + 0.08 * (worst - best), bottom, top, wide);
  drawing.scaleY(y, left, right,
                 wide ? "perplexity (logarithmic)" : "perplexity");
  std::vector<double> ticks = x.ticks(6);
  for (double tick : ticks) {
    drawing.line(x.at(tick), bottom, x.at(tick), bottom + 5, "axis");
    drawing.text(x.at(tick), bottom + 20, Axis::label(tick, ticks), "middle");
  }
  drawing.line(left, bottom, right, bottom, "axis");
  drawing.text((left + right) / 2, bottom + 40,
               std::string(timed ? "predicted time of a token, ms"
                                 : "bytes of a token, MB") +
                   (spread ? " (logarithmic)" : ""),
               "middle unit");
  for (Point &point : points) {
    point.x = x.at(point.cost);
    point.y = y.at(point.perplexity);
  }
  // Labels keep off points, each other, the frontier and the axis.
  std::vector<Box> taken{{left, bottom - 4, right - left, 8}};
  std::string d;
  const Point *last = nullptr;
  std::vector<Point> undominated = frontier(points);
  for (const Point &point : undominated) {
    d += (d.empty() ? "M" : "L") + coordinate(point.x) + " " +
         coordinate(point.y);
    for (double t = 0; last && t < 1; t += 0.05)
      taken.push_back({last->x + t * (point.x - last->x) - 1,
                       last->y + t * (point.y - last->y) - 1, 2, 2});
    last = &point;
  }
  drawing.path(d, "frontier");
  for (const Point &point : points) {
    taken.push_back({point.x - 8, point.y - 8, 16, 16});
    drawing.circle(point.x, point.y, point.chosen ? 7 : 5,
                   point.chosen    ? "chosen"
                   : point.refused ? "refused"
                                   : "candidate",
                   point.title);
  }
  for (const Point &point : points) {
    auto [at, down] = placeLabel(point, taken);
    taken.push_back({at - 8, down - 7, 16, 14});
    drawing.text(at, down + 4, std::to_string(point.number),
                 point.chosen ? "middle strong" : "middle");
  }
  return drawing.markup(
             "Candidates: cost and quality",
             "Perplexity against " +
                 std::string(timed ? "predicted time" : "bytes") + " of " +
                 std::to_string(points.size()) +
                 " candidates; the numbers are those of the table below.") +
         legend({{"chosen", "chosen"},
                 {"candidate", "candidate"},
                 {"refused", "refused"},
                 {"frontier", "beaten by none on both counts"}});
}
