"use strict";
(() => {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const tree = document.getElementById("tree");
  const query = document.getElementById("query");
  const order = document.getElementById("order");
  const found = document.getElementById("found");
  const panel = document.getElementById("branch");
  const plane = document.getElementById("plane");
  const most = 200; // hits that are listed
  const prior = 10; // notes of the corpus' own rate, added to a branch's: a branch of two notes is not the worst of all
  const open = new Set();
  const nodes = new Map(); // "12.7" -> what is known of that branch
  let chosen = null;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const number = (value) => value.toLocaleString("en-US");
  const share = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "–");
  const times = (effect) => (effect >= 0 ? "× " + (2 ** effect).toFixed(1) : "÷ " + (2 ** -effect).toFixed(1));

  const codesOf = (rows) => {
    let last = -1;
    return rows.steps.map((step) => (last += step));
  };
  const childrenOf = (parent, rows) =>
    codesOf(rows).map((code, at) => ({
      key: parent.key + "." + code,
      prefix: parent.prefix + "<b_" + code + ">",
      notes: rows.notes[at],
      degraded: rows.degraded[at] || 0,
      truncated: rows.truncated[at] || 0,
      label: rows.labels[at],
      title: rows.titles[at],
      change: rows.changes[code] || null,
      parent,
      children: [],
    }));
  const roots = data.branches.map((branch, at) => {
    const root = { ...branch, key: String(data.codes[at]), prefix: "<a_" + data.codes[at] + ">", parent: null };
    root.title = branch.typical.map((note) => note[0] + " " + note[1]).join(" ");
    root.children = childrenOf(root, data.children[at]);
    root.folded = data.children[at].folded;
    return root;
  });
  for (const root of roots) for (const node of [root, ...root.children]) nodes.set(node.key, node);
  for (const node of nodes.values()) {
    const plain = node.prefix.replace(/[<>]/g, " ");
    node.text = [node.prefix, plain, node.label, node.title, node.change ? node.change[0] : ""].join(" ").toLowerCase();
  }
  const largest = Math.max(1, ...roots.map((root) => root.notes));

  const rate = (node, name) => (node[name] + (prior * data[name]) / Math.max(1, data.notes)) / (node.notes + prior);
  const effect = (node) => (node.change && node.change[0] ? Math.abs(node.change[2]) : 0);
  const keys = {
    notes: (node) => node.notes,
    change: effect,
    degraded: (node) => rate(node, "degraded"),
    truncated: (node) => rate(node, "truncated"),
  };
  const ordered = (list) => {
    const key = keys[order.value];
    return [...list].sort((one, other) => key(other) - key(one) || other.notes - one.notes);
  };

  // The tree: only what is open is in the page, so that thousands of branches cost nothing until somebody looks.
  const itemOf = (node, level, isHit) => {
    const item = make("li");
    const hasMore = !isHit && node.children.length > 0;
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", level);
    item.setAttribute("aria-selected", String(node === chosen));
    item.tabIndex = -1;
    item.dataset.key = node.key;
    const row = make("div", "row");
    const turn = make("span", "turn", hasMore ? "▸" : "");
    turn.setAttribute("aria-hidden", "true");
    const words = make("span", "words", node.label || "(" + (node.title || "no words") + ")");
    words.dir = "auto";
    if (node.change && node.change[0]) words.append(" ", make("span", "state " + node.change[0], node.change[0]));
    const bar = make("span", "bar");
    bar.setAttribute("aria-hidden", "true");
    bar.style.setProperty("--share", node.notes / (level === 1 ? largest : Math.max(1, node.parent.notes)));
    const code = isHit || level === 1 ? node.prefix : node.prefix.slice(node.parent.prefix.length);
    row.append(turn, make("code", "", code), words, make("span", "number", number(node.notes)), bar);
    item.append(row);
    if (hasMore) {
      item.setAttribute("aria-expanded", "false");
      if (open.has(node.key)) expand(item, node);
    }
    return item;
  };
  const expand = (item, node) => {
    open.add(node.key);
    item.setAttribute("aria-expanded", "true");
    item.querySelector(".turn").textContent = "▾";
    const group = make("ul");
    group.setAttribute("role", "group");
    group.append(...ordered(node.children).map((child) => itemOf(child, 2, false)));
    item.append(group);
  };
  const collapse = (item) => {
    open.delete(item.dataset.key);
    item.setAttribute("aria-expanded", "false");
    item.querySelector(".turn").textContent = "▸";
    item.querySelector("ul").remove();
  };
  const draw = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) {
      const hits = [...nodes.values()].filter((node) => words.every((word) => node.text.includes(word)));
      const rest = hits.length > most ? ", the first " + most + " of them here" : "";
      found.textContent = number(hits.length) + (hits.length === 1 ? " branch" : " branches") + " found" + rest;
      tree.replaceChildren(...ordered(hits).slice(0, most).map((node) => itemOf(node, 1, true)));
    } else {
      const [branches, notes] = data.folded;
      found.textContent = branches ? number(branches) + " smaller branches, of " + number(notes) + " notes, are not shown" : "";
      tree.replaceChildren(...ordered(roots).map((node) => itemOf(node, 1, false)));
    }
    const first = itemFor(chosen) || tree.firstElementChild;
    if (first) first.tabIndex = 0;
  };
  const itemFor = (node) => node && tree.querySelector('[data-key="' + node.key + '"]');

  // The chosen branch.
  const choose = (node, reveal) => {
    if (reveal) {
      query.value = "";
      if (node.parent) open.add(node.parent.key);
    }
    const before = itemFor(chosen);
    chosen = node;
    if (reveal) draw();
    else if (before) before.setAttribute("aria-selected", "false");
    for (const item of tree.querySelectorAll('[tabindex="0"]')) item.tabIndex = -1;
    const item = itemFor(node);
    if (item) {
      item.setAttribute("aria-selected", "true");
      item.tabIndex = 0;
      if (reveal) item.scrollIntoView({ block: "nearest" });
    }
    describe(node);
    const at = (node.parent || node).key;
    for (const circle of plane.querySelectorAll("circle")) circle.classList.toggle("chosen", circle.dataset.key === at);
    history.replaceState(null, "", "#" + node.key);
  };
  const describe = (node) => {
    const heading = make("h2", "", node.label || "(no words of its own)");
    heading.dir = "auto";
    const facts = make("dl");
    const fact = (name, value) => {
      const pair = make("div");
      pair.append(make("dt", "", name), make("dd", "", value));
      facts.append(pair);
    };
    const above = node.parent ? share(node.notes, node.parent.notes) + " of its branch" : share(node.notes, data.notes);
    fact("Notes", number(node.notes) + " (" + above + ")");
    fact("Quarantined", share(node.degraded, node.notes) + " (all: " + share(data.degraded, data.notes) + ")");
    fact("Truncated", share(node.truncated, node.notes) + " (all: " + share(data.truncated, data.notes) + ")");
    if (node.change) {
      fact("Since the last release", (node.change[0] || "steady") + ", share " + times(node.change[2]) + ", notes before " + number(node.change[1]));
    }
    const languages = (node.languages || []).map(([name, notes]) => name + " " + share(notes, node.notes));
    if (languages.length) fact("Languages", languages.join(", "));
    panel.replaceChildren(make("p", "soft", node.prefix), heading, facts);
    if (node.folded && node.folded[0]) {
      panel.append(make("p", "soft", number(node.folded[0]) + " smaller branches below it, of " + number(node.folded[1]) + " notes, are not shown."));
    }
    const typical = node.typical || (node.title ? [["", node.title, null]] : []);
    if (typical.length) panel.append(make("h3", "", "Typical"), listOf(typical));
  };
  const listOf = (typical) => {
    const list = make("ul", "typical");
    for (const [id, title, picture] of typical) {
      const item = make("li");
      item.dir = "auto";
      if (picture !== null) {
        const image = make("img");
        image.src = "data:image/jpeg;base64," + data.pictures[picture];
        image.alt = "First image of " + (title || "note " + id);
        item.append(image);
      }
      item.append(title || "(no title)", make("code", "", id));
      list.append(item);
    }
    return list;
  };

  // The plane.
  const shape = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const spot = (root) => [60 + 520 * root.place[0], 30 + 360 * (1 - root.place[1])];
  const drawPlane = () => {
    const placed = roots.filter((root) => root.place && root.notes).sort((one, other) => other.notes - one.notes);
    const texts = [];
    const widest = Math.min(26, 220 / Math.sqrt(Math.max(1, placed.length))); // many circles share the same room
    for (const root of placed) {
      const [x, y] = spot(root);
      const state = root.change ? root.change[0] : "";
      const circle = shape("circle", { cx: x, cy: y, r: 2 + widest * Math.sqrt(root.notes / largest), class: state });
      circle.dataset.key = root.key;
      const title = shape("title", {});
      title.textContent = root.prefix + " " + root.label + ": " + number(root.notes) + " notes";
      circle.append(title);
      circle.addEventListener("click", () => choose(root, true));
      plane.append(circle);
      const isFree = texts.every(([left, top]) => Math.abs(left - x) > 90 || Math.abs(top - y) > 15);
      if (root.label && isFree && texts.length < 40) {
        texts.push([x, y]);
        const text = shape("text", { x, y: y + 4 });
        text.textContent = root.label.split(" ").slice(0, 2).join(" ").slice(0, 18);
        plane.append(text);
      }
    }
    for (const text of plane.querySelectorAll("text")) plane.append(text); // above all circles
  };

  // Keyboard and mouse.
  const nodeOf = (item) => nodes.get(item.dataset.key);
  const go = (item) => {
    if (!item) return;
    choose(nodeOf(item), false);
    item.focus();
  };
  const turned = {
    ArrowRight: (item) => {
      const state = item.getAttribute("aria-expanded");
      if (state === "false") expand(item, nodeOf(item));
      else if (state === "true") go(item.querySelector('[role="treeitem"]'));
    },
    ArrowLeft: (item) => {
      if (item.getAttribute("aria-expanded") === "true") collapse(item);
      else go(item.parentElement.closest('[role="treeitem"]'));
    },
    Enter: (item) => toggle(item),
    " ": (item) => toggle(item),
  };
  const toggle = (item) => {
    choose(nodeOf(item), false);
    const state = item.getAttribute("aria-expanded");
    if (state === "false") expand(item, nodeOf(item));
    else if (state === "true") collapse(item);
  };
  tree.addEventListener("keydown", (event) => {
    const item = event.target.closest('[role="treeitem"]');
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...tree.querySelectorAll('[role="treeitem"]')];
    const at = items.indexOf(item);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (event.key in places) go(items[places[event.key]]);
    else if (event.key in turned) turned[event.key](item);
    else return;
    event.preventDefault();
  });
  tree.addEventListener("click", (event) => {
    const item = event.target.closest('[role="treeitem"]');
    if (!item) return;
    if (event.target.closest(".turn") && item.hasAttribute("aria-expanded")) toggle(item);
    else go(item);
  });
  query.addEventListener("input", draw);
  query.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    go(tree.querySelector('[role="treeitem"]'));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== query) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape" && query.value && chosen) {
      choose(chosen, true);
      itemFor(chosen).focus();
    }
  });
  order.addEventListener("change", draw);
  const fromAddress = () => nodes.get(location.hash.slice(1));
  window.addEventListener("hashchange", () => fromAddress() && choose(fromAddress(), true));

  drawPlane();
  if (roots.length) choose(fromAddress() || ordered(roots)[0], true);
})();
