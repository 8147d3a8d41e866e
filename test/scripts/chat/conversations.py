# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The conversations that every template is given, and unit templates of our
own, one per construct of the language."""

USER = {"role": "user", "content": "  What is 2 + 2?  "}
SYSTEM = {"role": "system", "content": "You are terse.\n"}
ANSWER = {"role": "assistant", "content": "4"}
MORE = {"role": "user", "content": "And <b>3</b> & 'three' + \"3\"?"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city's centre & around",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city",
                         "examples": ["Zürich", "it's"]},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C",
                         "description": "Unit."},
                "days": {"type": "integer", "minimum": 1, "maximum": 14,
                         "description": "How many days"},
                "where": {"type": "object", "description": "Place", "properties": {
                    "lat": {"type": "number", "default": 47.0},
                    "lon": {"type": "number", "minimum": -180.5}},
                    "required": ["lat"], "additionalProperties": {"type": "number"}},
                "tags": {"type": "array", "items": {"type": "string"},
                         "description": "Tags"},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "A sentence"},
    },
}
DETAIL = {"type": "function",
          "function": {"name": "detail", "description": "Types in a list",
                       "parameters": {"type": "object", "properties": {
                           "x": {"type": ["string", "null"], "description": "X"}},
                           "required": []}}}
CLOCK = {"type": "function",
         "function": {"name": "clock", "description": "Time",
                      "parameters": {"type": "object", "properties": {},
                                     "required": []}}}
SUM = {"type": "function",
       "function": {"name": "sum_all", "description": "Adds",
                    "parameters": {"type": "object", "properties": {
                        "xs": {"type": "array", "description": "Numbers",
                               "items": {"type": "number"}},
                        "grid": {"type": "array", "items": {
                            "type": "array", "items": {"type": "integer"}}},
                        "people": {"type": "array", "items": {
                            "type": "object", "properties": {
                                "name": {"type": "string"}},
                            "required": ["name"]}},
                        "how": {"oneOf": [
                            {"type": "string", "format": "name"},
                            {"type": "integer", "format": "id"}]},
                        "when": {"type": "string", "format": "date",
                                 "nullable": True, "maxLength": 10},
                    }, "required": ["xs"]}}}


def call(name, arguments, identifier="abcdefgh1"):
    return {"id": identifier, "type": "function",
            "function": {"name": name, "arguments": arguments}}


def result(content, identifier="abcdefgh1", name="get_weather"):
    return {"role": "tool", "name": name, "tool_call_id": identifier,
            "content": content}


CALLS = [USER,
         {"role": "assistant", "content": "",
          "tool_calls": [call("get_weather", {"city": "Zürich", "days": 3})]},
         result("sunny, 21.5"),
         {"role": "assistant", "content": "It is sunny."},
         MORE]
CALLS_TEXT = [USER,
              {"role": "assistant", "content": None,
               "tool_calls": [call("get_weather", '{"city": "Zürich"}')]},
              result("sunny"), ANSWER, MORE]
TWO_CALLS = [SYSTEM, USER,
             {"role": "assistant", "content": "Let me see.", "tool_plan": "Two calls.",
              "tool_calls": [call("get_weather", {"city": "Bern", "unit": "C"}),
                             call("clock", {}, "abcdefgh2")]},
             result({"sky": "clear", "t": [1, 2.5, None, True]}),
             result("12:00", "abcdefgh2", "clock")]

FUNCTIONS = {"functions": "[{\"name\": \"f\"}]", "datetime": "today"}

CONVERSATIONS = {
    "plain": {"messages": [USER], "prompt": True},
    "no-prompt": {"messages": [USER]},
    "system": {"messages": [SYSTEM, USER], "prompt": True},
    "turns": {"messages": [SYSTEM, USER, ANSWER, MORE], "prompt": True,
              "variables": FUNCTIONS},
    "turns-no-system": {"messages": [USER, ANSWER, MORE, ANSWER],
                        "tools": [CLOCK]},
    "only-system": {"messages": [SYSTEM], "prompt": True,
                    "variables": FUNCTIONS},
    "nothing": {"messages": []},
    "not-alternating": {"messages": [USER, MORE], "prompt": True},
    "bad-role": {"messages": [{"role": "Wizard", "content": "Hex"}],
                 "variables": FUNCTIONS},
    "empty-content": {"messages": [USER, {"role": "assistant", "content": ""}, MORE],
                      "prompt": True},
    "null-content": {"messages": [USER, {"role": "assistant", "content": None}, MORE],
                     "tools": [CLOCK], "variables": FUNCTIONS},
    "unicode": {"messages": [
        {"role": "system", "content": "\u00a0Grüße\u2028"},
        {"role": "user", "content": "𝒳 \u00e9 e\u0301 日本語 🎉\x7f \u200b\"\\\u3000"}],
        "prompt": True, "variables": FUNCTIONS},
    "thinking": {"messages": [
        USER, {"role": "assistant", "content": "<think>\nadd\n</think>\n\n4",
               "reasoning_content": "add"}, MORE], "tools": [], "prompt": True},
    "tools": {"messages": [SYSTEM, USER], "tools": [WEATHER, CLOCK], "prompt": True},
    "tools-no-system": {"messages": [USER], "tools": [SUM, WEATHER], "prompt": True},
    "tools-list-type": {"messages": [USER], "tools": [DETAIL], "prompt": True},
    "no-tools": {"messages": [USER], "tools": []},
    "calls": {"messages": CALLS, "tools": [WEATHER, CLOCK], "prompt": True},
    "calls-text": {"messages": CALLS_TEXT, "tools": [WEATHER], "prompt": True,
                   "variables": FUNCTIONS},
    "two-calls": {"messages": TWO_CALLS, "tools": [WEATHER, CLOCK], "prompt": True,
                  "variables": FUNCTIONS},
    "calls-without-tools": {"messages": CALLS[:3], "prompt": True},
    "bare-tools": {"messages": [SYSTEM, USER], "tools": [
        {"name": "old", "description": "An old one",
         "parameter_definitions": {
             "a": {"type": "str", "description": "A", "required": True},
             "b": {"type": "int", "description": "B", "required": False}}}],
        "prompt": True},
    "code-interpreter": {"messages": [USER], "prompt": True,
                         "tools": [{"type": "code_interpreter"}, WEATHER],
                         "variables": {"builtin_tools": ["code_interpreter", "search"]}},
    "variables": {"messages": [SYSTEM, USER, ANSWER, MORE], "tools": [WEATHER],
                  "prompt": True, "variables": {
                      "functions": "[{\"name\": \"f\"}]", "datetime": "today",
                      "date_string": "1 Jan 2025", "tools_in_user_message": False,
                      "enable_citations": True, "enable_thinking": False}},
    "functions": {"messages": [SYSTEM, USER, {
        "role": "assistant", "content": "", "tool_calls": [
            call("f", "{\"x\": 1}"), call("g", "{}")]}], "prompt": True,
        "variables": {"functions": "[]", "datetime": "today"}},
    "builtin-call": {"messages": [USER, {"role": "assistant", "content": "",
                                         "tool_calls": [call("search", {"query": "x", "n": "1"})]},
                                  result({"a": 1})],
                     "variables": {"builtin_tools": ["search"]}, "prompt": True},
    "parts": {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "Hello"}, {"type": "image"}]}], "prompt": True},
}

UNITS = {
    "text": "plain text\n",
    "trim": "a\n  {% if true %}\n  b\n  {% endif %}\nc  {{- ' d' -}}  \n e {%- if true -%} x {%+ endif +%}\n y",
    "trim-comment": "a\n   {# comment #}\nb {#- c -#} d\n{#+ e +#}\nf",
    "lstrip-tab": "\t {% set x = 1 %}\n x {% set y = 2 %} z\n",
    "raw": "{% raw %}{{ no }} {% if %}{% endraw %} a {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "newlines": "a\r\nb\rc\n{{ 'x\ny' }}\n\n",
    "literals": "{{ [1, 2.5, -3, 1e3, 1_000, 0x1f, 'a', \"it's\", none, true, False] }} {{ (1,) }} {{ () }} {{ {'a': 1, 'b': [2]} }}",
    "escapes": "{{ 'a\\n\\t\\\\\\'\\x41\\u00e9\\101\\q' }}{{ \"q\\\"\" }}{{ 'one' 'two' }}",
    "floats": "{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789.125 }} {{ 1e22 }} {{ 5e-324 }} {{ 2.5e15 }} {{ 1/3 }} {{ 100.0 }} {{ 1e100 }}",
    "arithmetic": "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7 / 2 }} {{ 1 + 2 * 3 - 4 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ true + 1 }} {{ 'ab' * 3 }} {{ [1] * 2 }} {{ 3 * 'x' }} {{ -1 * 'x' }}",
    "division-by-zero": "{{ 1 // 0 }}",
    "concatenate": "{{ 1 ~ 'a' ~ none ~ true ~ 1.5 ~ [1] }} {{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }}",
    "concatenate-wrong": "{{ 'a' + 1 }}",
    "concatenate-none": "{{ 'a' + none }}",
    "concatenate-list": "{{ [1] + 'a' }}",
    "compare": "{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 != 2 }} {{ {'a': 1} == {'a': 1.0} }} {{ [1] == (1,) }} {{ none == false }} {{ 3 >= 3 > 2 }} {{ true == 1 }}",
    "compare-wrong": "{{ 1 < 'a' }}",
    "logic": "{{ 1 and 2 }} {{ 0 or 'x' }} {{ not '' }} {{ '' or [] or none }} {{ not 1 == 2 }} {{ true and not false }}",
    "in": "{{ 'a' in 'cat' }} {{ 1 in [1] }} {{ 'k' in {'k': 1} }} {{ 1 not in [2] }} {{ 'x' in missing }} {{ not 'a' in 'b' }} {{ '' in 'a' }}",
    "in-wrong": "{{ 1 in 'abc' }}",
    "in-none": "{{ 1 in none }}",
    "conditional": "{{ 'a' if true else 'b' }}{{ 'c' if false }}{{ 1 if 0 else 2 if 0 else 3 }}",
    "index": "{{ 'héllo'[1] }} {{ 'abc'[-1] }} {{ [1,2,3][-2] }} {{ {'a': {'b': 5}}.a.b }} {{ {'a': 1}['a'] }} {{ [1][5] }} {{ 'abc'[9] }} {{ [[1,2]].0.1 }}",
    "slice": "{{ 'héllo'[1:3] }} {{ 'abc'[::-1] }} {{ [1,2,3,4][1:] }} {{ [1,2,3,4][:-1] }} {{ [1,2,3,4][::2] }} {{ [1,2,3,4][3:0:-2] }} {{ 'abc'[-2:] }} {{ 'abc'[5:] }} {{ (1,2,3)[:2] }} {{ 'abcdef'[-100:100:3] }} {{ 'abc'[2:1] }} {{ [1,2][none:none] }}",
    "undefined": "[{{ missing }}] {{ missing is defined }} {{ missing | default('d') }} {{ missing | length }} {% for x in missing %}x{% endfor %} {{ {'a': 1}.b is defined }} {{ not missing }} {{ missing | list }} {{ missing is none }} {{ missing == missing }} {{ missing is iterable }} {{ missing is sequence }} {{ missing | join(',') }}",
    "undefined-attribute": "{{ missing.x }}",
    "undefined-attribute-of-dict": "{{ messages[0].nothing.more }}",
    "undefined-attribute-of-none": "{{ none.x.y }}",
    "undefined-item": "{{ [1][3].x }}",
    "undefined-call": "{{ missing() }}",
    "undefined-method": "{{ 'a'.nothing() }}",
    "undefined-add": "{{ 'a' + missing }}",
    "undefined-condition": "{{ ('a' if false).x }}",
    "set": "{% set x = 1 %}{% set a, b = [1, 2] %}{{ x }}{{ a }}{{ b }}{% set x = x + 1 %}{{ x }}{% set t = 1, 2 %}{{ t }}",
    "set-unpack-wrong": "{% set a, b = [1, 2, 3] %}",
    "set-block": "{% set x %}a {{ 1 }}\n b{% endset %}[{{ x }}]{% set y | upper | trim %} abc {% endset %}[{{ y }}]{% set z %}{% set q = 1 %}{% endset %}{{ q is defined }}",
    "scope": "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = i + 10 %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 5 %}{% endif %}{{ x }}",
    "namespace": "{% set ns = namespace(a=1, b='x') %}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ ns['a'] }}",
    "namespace-wrong": "{% set d = {} %}{% set d.x = 1 %}",
    "for": "{% for x in [1,2,3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem is defined }}{{ loop.nextitem }}{{ loop.depth }};{% endfor %}",
    "for-else": "{% for x in [] %}a{% else %}b{% endfor %}{% for x in 'ab' %}{{ x }}{% else %}c{% endfor %}",
    "for-if": "{% for x in [1,2,3,4] if x is even %}{{ x }}{{ loop.last }}{{ loop.index }}{{ loop.length }},{% else %}none{% endfor %}{% for x in [1] if x > 5 %}{% else %}empty{% endfor %}",
    "for-unpack": "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "for-dict": "{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}{% for k, v in {'x': 1}|items %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 1, 'A': 2}|dictsort %}{{ k }}{{ v }}{% endfor %}",
    "for-nested": "{% for a in [1,2] %}{% for b in 'xy' %}{{ loop.index }}{{ a }}{{ b }}{{ loop.depth }} {% endfor %}{{ loop.index }}{% endfor %}",
    "for-break": "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "for-lazy": "{% set ns = namespace(n=2) %}{% for x in [1,2,3,4] if x <= ns.n %}{{ x }}{% set ns.n = ns.n + 1 %}{% endfor %}",
    "for-cycle": "{% for x in 'abc' %}{{ loop.cycle('odd', 'even') }}{{ loop.changed(x == 'b') }} {% endfor %}",
    "for-none": "{% for x in none %}{% endfor %}",
    "for-int": "{% for x in 5 %}{% endfor %}",
    "range": "{{ range(3) | list }}{% for i in range(1, 10, 4) %}{{ i }}{% endfor %}{{ range(5, 0, -2) | list }}",
    "macro": "{% macro m(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}|{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(a=5, c=1) }}{{ m() }}{{ m.name }}",
    "macro-closure": "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}{% for x in [3] %}{{ m() }}{% endfor %}",
    "macro-recursive": "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "macro-too-many": "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "macro-unknown-keyword": "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "macro-missing": "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}",
    "macro-varargs": "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "call-block": "{% macro m(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call m('b') %}x{{ 1 }}{% endcall %}{% macro l(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(i) l([1, 2]) %}[{{ i }}]{% endcall %}",
    "filter-block": "{% filter upper %}abc {{ 'd' }}{% endfilter %}{% filter trim | replace('a', 'b') %}  aXa  {% endfilter %}",
    "with": "{% set a = 0 %}{% with a=1, b=2 %}{{ a }}{{ b }}{% endwith %}{{ a }}{% with %}{% set a = 9 %}{{ a }}{% endwith %}{{ a }}",
    "generation": "a{% generation %}b{{ 1 }}{% endgeneration %}c",
    "if": "{% if 0 %}a{% elif [] %}b{% elif 'x' %}c{% else %}d{% endif %}{% if none %}{% else %}e{% endif %}",
    "print-tuple": "{{ 1, 2 }}",
    "repr": "{{ ['a\\'b', 'c\"d', 'e\\'\"f', 'g\\nh\\t\\\\', '\\x00\\x7f', 'é', '\\u200b', '\\U0001f389', 1.0, none] }} {{ {1: 2, none: 3, true: 4} }} {{ ('x',) }} {{ {'a': 1}.items() }} {{ {'a': 1}.keys() }} {{ {'a': 1}.values() }}",
    "tojson": "{{ {'a': [1, 2.0, none, true, 'x\"\\n\\\\é<>&\\'\\x01/'], 'b': {}, 'c': []} | tojson }} {{ {'b': 1, 'a': [1, {'c': []}]} | tojson(indent=2) }} {{ [1, 2] | tojson(indent=4) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ 'é🎉' | tojson(ensure_ascii=true) }} {{ [1, 2] | tojson(separators=(',', ':')) }} {{ {1: 1, none: 2, 1.5: 3} | tojson }} {{ (1, 2) | tojson }} {{ [] | tojson(indent=2) }}",
    "tojson-undefined": "{{ missing | tojson }}",
    "tojson-generator": "{{ [1] | map('string') | tojson }}",
    "filters-text": "{{ ' a ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'aBc' | upper }}|{{ 'aBc' | lower }}|{{ 'hello wORLD' | capitalize }}|{{ \"hello wORLD it's (foo) bar-baz\" | title }}|{{ 'a b a' | replace('a', 'x') }}|{{ 'aaa' | replace('a', 'b', 2) }}|{{ 'abc' | length }}|{{ 'é日' | count }}|{{ 12 | string }}|{{ 'abc' | reverse }}|{{ 'two words' | wordcount }}|{{ 'abc' | first }}|{{ 'abc' | last }}|{{ 'abc' | list }}|{{ '<a>&\"\\'' | e }}",
    "filters-indent": "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb\n' | indent('>>') }}|{{ '' | indent(3, first=true) }}|{{ 'a\r\nb' | indent(1) }}|{{ 'a\n' | indent(width=2, first=True) }}",
    "filters-numbers": "{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '42.7' | int }} {{ 3.9 | int }} {{ '0x1f' | int(base=16) }} {{ '2.5' | float }} {{ 'x' | float }} {{ -3 | abs }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 7 | round }} {{ true | int }} {{ -2.5 | abs }}",
    "filters-lists": "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ [1, 2] | sort(reverse=true) }} {{ [{'n': 2}, {'n': 1}] | sort(attribute='n') }} {{ [1, 2, 3] | sum }} {{ [{'a': 1}, {'a': 5}] | sum(attribute='a') }} {{ [1, 3, 2] | max }} {{ [1, 3, 2] | min }} {{ ['a', 'B'] | max }} {{ [1, 1, 2, 'a', 'A'] | unique | list }} {{ [1, 2] | first }} {{ [1, 2] | last }} {{ [] | first is defined }} {{ [1, 2, 3] | reverse | list }} {{ [1, 2, 3] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 0) | list }} {{ [1, 2] | join }} {{ [1, none, 'a'] | join(', ') }} {{ [{'a': 1}, {'a': 2}] | join('-', attribute='a') }} {{ {'b': 2, 'a': 1} | dictsort(false, 'value') }} {{ {'b': 2, 'a': 1} | list }}",
    "filters-map": "{{ [{'a': {'b': 1}}, {'a': {'b': 2}}] | map(attribute='a.b') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ [{'x': 1}, {}] | map(attribute='x', default='d') | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }} {{ ['a-b'] | map('replace', '-', '+') | list }} {{ none | map('upper') | list }} {{ [1] | map('string') is iterable }}",
    "filters-select": "{{ [1, 2, 3, 4] | select('even') | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ [{'r': 'u', 'n': 1}, {'r': 'a', 'n': 2}] | selectattr('r', 'equalto', 'u') | list }} {{ [{'a': 1}, {'b': 1}] | selectattr('a', 'defined') | list }} {{ [{'a': 1}, {'a': 0}] | rejectattr('a') | list }} {{ [1, 5, 9] | select('gt', 3) | list }} {{ [1, 5] | select('>', 3) | list }} {{ ['a', 'b'] | reject('in', ['a']) | list }} {{ none | selectattr('a') | list }}",
    "generator-once": "{% set g = [1, 2] | map('string') %}{{ g | list }}{{ g | list }}{{ g is sequence }}{{ ([] | map('string')) and 'true' }}",
    "generator-length": "{{ [1] | map('string') | length }}",
    "default": "{{ missing | default }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('x') }}|{{ none | default('x', boolean=true) }}|{{ messages[0].nope | default('n') }}",
    "attr": "{{ {'a': 1} | attr('a') is defined }}{{ namespace(q=3) | attr('q') }}",
    "markup": "{{ '<b>' | safe }} {{ ('<b>' | safe) + '<i>' }} {{ '<i>' + ('<b>' | safe) }} {{ ('<b>' | safe) ~ '<i>' }} {{ ('a' | safe) + (1 | string) }} {{ ('<b>' | safe) | upper + '<' }} {{ ['<' | safe] }} {{ ('<' | safe) | e }} {{ ('<' | safe)[0] + '>' }} {{ ('x' | safe) | replace('x', '<') + '>' }} {{ ('a b' | safe) | trim + '&' }}",
    "tests": "{{ 1 is number }}{{ 1.5 is float }}{{ 1 is integer }}{{ true is integer }}{{ true is number }}{{ true is boolean }}{{ 'a' is string }}{{ [] is sequence }}{{ {} is mapping }}{{ {} is sequence }}{{ 'a' is iterable }}{{ 1 is iterable }}{{ none is none }}{{ none is not none }}{{ 1 is odd }}{{ 2 is even }}{{ 4 is divisibleby 2 }}{{ 4 is divisibleby(3) }}{{ 'a' is in 'abc' }}{{ 1 is in [1] }}{{ 1 is eq 1 }}{{ 1 is ne 2 }}{{ 2 is gt 1 }}{{ 1 is sameas 1 }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ 'ab' is lower }}{{ 'AB' is upper }}{{ range is callable }}{{ x is undefined }}{{ not 1 is odd }}{{ 1 is not odd and true }}",
    "methods-text": "{{ ' a '.strip() }}|{{ 'xax'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a b  c '.split(none, 1) }}|{{ 'a,b,c'.rsplit(',', 1) }}|{{ 'a b c'.rsplit(none, 1) }}|{{ ''.split() }}|{{ ''.split(',') }}|{{ 'abc'.startswith('ab') }}|{{ 'abc'.endswith(('x', 'c')) }}|{{ 'aXbX'.replace('X', '-') }}|{{ 'aXbX'.replace('X', '-', 1) }}|{{ 'ab'.replace('', '.') }}|{{ 'abc'.upper() }}|{{ 'ABC'.lower() }}|{{ \"they're bill's\".title() }}|{{ 'hELLO'.capitalize() }}|{{ 'a\nb\r\nc'.splitlines() }}|{{ '-'.join(['a', 'b']) }}|{{ 'héllo'.find('l') }}|{{ 'abc'.find('z') }}|{{ 'abca'.rfind('a') }}|{{ 'aaa'.count('a') }}|{{ '12'.isdigit() }}|{{ 'ab'.isalpha() }}|{{ 'a1'.isalnum() }}|{{ ' '.isspace() }}|{{ 'Ab'.isupper() }}|{{ 'ab'.islower() }}|{{ 'abc'.removeprefix('a') }}|{{ 'abc'.removesuffix('c') }}|{{ '7'.zfill(3) }}|{{ '-7'.zfill(4) }}|{{ 'a'.ljust(3, '.') }}|{{ 'a'.rjust(3) }}|{{ 'ab'.center(5, '*') }}|{{ 'abc'.center(6, '*') }}|{{ 'abcabc'.index('b') }}",
    "methods-dict": "{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b') }}{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}{{ {'a': 1}.items() | list }}{{ {'items': 5}['items'] }}{{ {'items': 5}.items() | list }}{{ {'a': 1}.items() | length }}",
    "methods-list": "{{ [1, 2, 1].count(1) }}{{ [1, 2].index(2) }}",
    "unsafe-append": "{% set x = [] %}{{ x.append(1) }}",
    "unsafe-update": "{{ {}.update({'a': 1}) }}",
    "unsafe-class": "{{ ''.__class__ }}",
    "strftime": "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d, %Y %H:%M:%S %p %I %j %y %a %%') }} {{ strftime_now is defined }}",
    "raise": "{{ raise_exception('No: ' ~ messages | length ~ ' é') }}",
    "raise-in-condition": "{% if messages[0].role != 'tool' %}{{ raise_exception('first must be tool') }}{% endif %}",
    "specials": "{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ pad_token is defined }}",
    "conversation": "{% for m in messages %}{{ loop.index }}:{{ m.role }}:{{ m['content'] | trim }}\n{% endfor %}{{ tools is none }}{{ add_generation_prompt }}",
    "case": "{{ 'straße ΑΣ' | upper }} {{ 'ΑΣ ΣΑΣ. É' | lower }} {{ 'éa' | capitalize }} {{ 'ǆ' | title }} {{ 'İ' | lower }}",
    "spaces": "[{{ '\u00a0\u2003\x1c a \u3000' | trim }}] [{{ 'a\u00a0b'.split() }}]",
    "shadow": "{% macro f(namespace='x') %}{{ namespace }}{% endmacro %}{{ f() }}{% set range = 5 %}{{ range }}",
    "dict-function": "{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}",
    "not-callable": "{{ 'a'() }}",
    "none-call": "{{ none.x() }}",
    "deep-expression": "{{ " + "(" * 30 + "1" + ")" * 30 + " }}",
    "many-adds": "{{ " + " + ".join(["'a'"] * 150) + " }}",
    "comment-in-expression": "{{ 1 }}{# {{ 2 }} #}{{ 3 }}",
    "dict-order": "{{ {'z': 1, 'a': 2, 'z': 3} }}",
    "unicode-text": "{{ messages[-1].content }} {{ messages[-1].content | length }} {{ messages[-1].content[::-1] }} {{ [messages[-1].content] }}",
    "tool-walk": "{% for t in tools or [] %}{{ t.function.name }}({% for k, v in t.function.parameters.properties.items() %}{{ k }}: {{ v.type }}{{ ', ' if not loop.last }}{% endfor %}) {% endfor %}",
}
