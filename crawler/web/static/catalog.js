// What pages gain where scripts run: copy buttons, and a search box that completes. Everything works without it.
"use strict";

for (const line of document.querySelectorAll("dl.commands dd")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy the command for ${line.previousElementSibling.textContent}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  line.append(button);
}

for (const input of document.querySelectorAll("input[data-complete]")) {
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const answer = await fetch(`${input.dataset.complete}?q=${encodeURIComponent(input.value)}`);
      if (!answer.ok) return;
      const { values } = await answer.json();
      input.list.replaceChildren(...values.map((value) => {
        const option = document.createElement("option");
        option.value = value;
        return option;
      }));
    }, 150);
  });
}
