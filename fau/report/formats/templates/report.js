"use strict";
(() => {
  // The figures are written with stand-ins for the colours of the reader's scheme: text, muted, grid, paper.
  const schemes = {
    light: { "#010101": "#1c1f24", "#020202": "#5c6470", "#030303": "#e3e6ea", "#040404": "#ffffff" },
    dark: { "#010101": "#e6e8eb", "#020202": "#9aa3af", "#030303": "#333941", "#040404": "#1b1e23" },
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawings = JSON.parse(document.getElementById("drawings").textContent);
  const chosen = {};
  const hidden = {};
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "fau-report" },
  };

  const coloured = (figure) => {
    const colours = schemes[dark.matches ? "dark" : "light"];
    return JSON.parse(JSON.stringify(figure).replace(/#0[1-4]0[1-4]0[1-4]/g, (match) => colours[match] || match));
  };

  const draw = (id) => {
    const figure = coloured(drawings[id][chosen[id] || 0].figure);
    const box = document.querySelector(`[data-legend="${id}"]`);
    if (box) {
      hidden[id] = hidden[id] || new Set();
      figure.data.forEach((trace) => { trace.visible = !hidden[id].has(trace.legendgroup); });
      legend(box, id, figure.data.filter((trace) => trace.name));
    }
    return Plotly.react(id, figure.data, figure.layout, config);
  };

  // One button a row: it hides and shows the row in its figure, whatever view is chosen.
  const legend = (box, id, traces) => {
    box.replaceChildren(...traces.map((trace) => {
      const button = document.createElement("button");
      const dash = { dash: "6 3", dot: "2 3" }[trace.line.dash] || "none";
      button.type = "button";
      button.innerHTML = '<svg width="26" height="10" aria-hidden="true"><line x1="0" x2="26" y1="5" y2="5" stroke-width="3"/></svg>';
      const line = button.querySelector("line");
      line.setAttribute("stroke", trace.line.color);
      line.setAttribute("stroke-dasharray", dash);
      button.append(trace.name);
      button.setAttribute("aria-pressed", String(!hidden[id].has(trace.legendgroup)));
      button.addEventListener("click", () => {
        if (!hidden[id].delete(trace.legendgroup)) hidden[id].add(trace.legendgroup);
        draw(id);
      });
      return button;
    }));
  };

  const drawAll = () => Promise.all(Object.keys(drawings).map(draw));

  document.querySelectorAll("select[data-for]").forEach((select) => {
    select.addEventListener("change", () => {
      chosen[select.dataset.for] = Number(select.value);
      draw(select.dataset.for);
    });
  });
  dark.addEventListener("change", drawAll);
  drawAll().then((done) => { document.body.dataset.drawn = String(done.length); });
})();
