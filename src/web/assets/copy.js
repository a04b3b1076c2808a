// Adds a "Copy" button to each block that asks for one. The pages are whole without it.
"use strict";
if (navigator.clipboard) {
  const status = document.createElement("p");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  document.body.append(status);
  for (const block of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + block.dataset.copy);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.querySelector("code").textContent);
        button.textContent = "Copied";
        status.textContent = "Copied " + block.dataset.copy;
      } catch {
        button.textContent = "Select by hand";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2500);
    });
    block.querySelector(".code-bar").append(button);
  }
}
