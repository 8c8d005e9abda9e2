// Comfort only: every page works without it. Nothing is sent anywhere but by the page's own forms.
(function () {
  "use strict";

  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }

  // Leave at once: the next page takes this one's place, so that "back" does not lead here.
  function leave(address) {
    document.documentElement.hidden = true;
    location.replace(address);
    setTimeout(function () { document.documentElement.hidden = false; }, 5000);  // no network
  }
  var exit = document.querySelector("[data-exit]"), escapes = [];
  exit.addEventListener("click", function (event) {
    event.preventDefault();
    leave(exit.href);
  });
  document.addEventListener("keydown", function (event) {
    // Input methods take Escape for themselves; a key that is held counts once.
    if (event.isComposing || event.keyCode === 229 || event.repeat) { return; }
    if (event.key !== "Escape") { escapes = []; return; }
    escapes = escapes.concat(Date.now()).slice(-3);
    if (escapes.length === 3 && escapes[2] - escapes[0] < 3000) { leave(exit.href); }
  });

  // A question is on its way.
  var form = document.querySelector("form.ask"), sent = false;
  if (form) {
    var button = form.querySelector("button"), rest = button.textContent;
    form.addEventListener("submit", function (event) {
      if (sent) { event.preventDefault(); return; }
      sent = true;
      button.textContent = button.dataset.busy;
      button.setAttribute("aria-disabled", "true");
      remember(form.question.value);
      setTimeout(function () { ready(); }, 15000);  // stopped by hand, or no network
    });
    var ready = function () {
      sent = false;
      button.textContent = rest;
      button.removeAttribute("aria-disabled");
    };
    window.addEventListener("pageshow", ready);
  }

  // Questions asked before, in this browser only and only where somebody said so.
  var KEY = "questions", MOST = 20;
  function remembered() {
    try {
      var kept = JSON.parse(localStorage.getItem(KEY));
      return Array.isArray(kept) ? kept : null;
    } catch (error) { return null; }
  }
  function keep(questions) {
    try {
      if (questions) { localStorage.setItem(KEY, JSON.stringify(questions)); }
      else { localStorage.removeItem(KEY); }
    } catch (error) { /* a browser that keeps nothing */ }
  }
  function remember(question) {
    var before = remembered();
    question = question.trim();
    if (!before || !question) { return; }
    keep([question].concat(before.filter(function (one) { return one !== question; })).slice(0, MOST));
  }
  var history = document.querySelector("[data-history]");
  if (history) {
    var box = history.querySelector("input"), list = history.querySelector("ul");
    var show = function () {
      var questions = remembered();
      box.checked = !!questions;
      list.textContent = "";
      (questions || []).forEach(function (question) {
        var item = document.createElement("li"), again = document.createElement("button");
        again.type = "button";
        again.className = "link";
        again.textContent = question;
        again.addEventListener("click", function () {
          form.question.value = question;
          form.question.focus();
        });
        item.appendChild(again);
        list.appendChild(item);
      });
      list.parentNode.hidden = !(questions && questions.length);
    };
    history.hidden = false;
    box.addEventListener("change", function () { keep(box.checked ? [] : null); show(); });
    history.querySelector("button.quiet").addEventListener("click", function () {
      keep([]);
      show();
      box.focus();
    });
    show();
  }

  // Copy, also where the page did not come by https and the clipboard is closed to scripts.
  function copy(text, done) {
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, function () { byHand(text, done); }); }
    else { byHand(text, done); }
  }
  function byHand(text, done) {
    var area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    if (document.execCommand("copy")) { done(); }
    area.remove();
  }
  function offer(button, text) {
    var label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", function () {
      copy(text(), function () {
        button.textContent = button.dataset.done;
        button.focus();
        setTimeout(function () { button.textContent = label; }, 3000);
      });
    });
  }
  function address(path) { return location.origin + path.split("?")[0]; }
  all("[data-copy]").forEach(function (button) {
    offer(button, function () {
      var card = button.closest(".card");
      var source = card.querySelector(".provenance"), name = card.querySelector(".title, summary");
      return [name.textContent, card.querySelector(".quoted").innerText, source.innerText, address(button.dataset.link)]
        .map(function (part) { return part.trim(); }).join("\n\n");
    });
  });
  all("[data-share]").forEach(function (button) {
    offer(button, function () { return address(button.dataset.share); });
  });

  // What is said of an answer is noted while the answer stays.
  all(".feedback form").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (!event.submitter || !window.fetch) { return; }
      event.preventDefault();
      var ask = form.closest(".feedback");
      if (ask.dataset.sent) { return; }
      ask.dataset.sent = "yes";
      var said = new URLSearchParams(new FormData(form));
      said.append(event.submitter.name, event.submitter.value);
      fetch(form.action, { method: "POST", body: said, headers: { Accept: "application/json" } }).then(function (answer) {
        if (!answer.ok) { throw answer; }
        ask.setAttribute("role", "status");
        ask.textContent = ask.dataset.thanks;
        ask.tabIndex = -1;
        ask.focus();
      }).catch(function () {
        var said = Object.assign(document.createElement("input"), { type: "hidden", name: event.submitter.name, value: event.submitter.value });
        delete ask.dataset.sent;
        form.appendChild(said);
        form.submit();
        said.remove();
      });
    });
  });

  all("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { print(); });
  });
})();
