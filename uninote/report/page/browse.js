"use strict";
(() => {
  const data = JSON.parse(document.getElementById("browse-data").textContent);
  const box = document.getElementById("browse-query");
  const hits = document.getElementById("browse-hits");
  const shown = document.getElementById("browse-note");
  const most = 40;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const titleOf = (id) => {
    const note = data.notes[id];
    return note ? note[0] || note[1] || "(no text)" : "(deleted since)";
  };
  const button = (id) => {
    const element = make("button", "note-link");
    element.type = "button";
    element.append(make("code", "", id), make("span", "", titleOf(id)));
    element.addEventListener("click", () => show(id));
    return element;
  };
  const texts = new Map();
  for (const id of Object.keys(data.lists)) {
    const [title, body, topics, category] = data.notes[id];
    texts.set(id, [id, title, body, topics.join(" "), category].join(" ").toLowerCase());
  }
  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...texts.keys()].filter((id) => words.every((word) => texts.get(id).includes(word)));
    const rest = found.length > most ? ", the first " + most + " of them here" : "";
    hits.replaceChildren(make("li", "note", found.length + " found" + rest));
    for (const id of found.slice(0, most)) {
      const item = make("li");
      item.append(button(id));
      hits.append(item);
    }
  };
  const show = (id) => {
    const [title, body, topics, category] = data.notes[id];
    const list = make("ol", "browse-list");
    for (const [other, score] of data.lists[id]) {
      const item = make("li");
      item.append(make("span", "score", score.toFixed(4)));
      if (data.lists[other]) item.append(button(other));
      else item.append(make("code", "", other), make("span", "", " " + titleOf(other)));
      const about = data.notes[other] ? [data.notes[other][3], ...data.notes[other][2]].filter(Boolean) : [];
      item.append(make("span", "note", " " + about.join(" · ")));
      list.append(item);
    }
    shown.replaceChildren(
      make("h3", "", title || "(no title)"),
      make("p", "", body),
      make("p", "note", [id, category, ...topics].filter(Boolean).join(" · ")),
      list
    );
  };
  box.addEventListener("input", search);
  document.getElementById("browse-box").hidden = false;
  search();
  const first = texts.keys().next();
  if (!first.done) show(first.value);
})();
