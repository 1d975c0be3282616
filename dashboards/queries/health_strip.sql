-- title: From packet to page
-- about: The way of the data on the day: packets seen and lost, the share of flows with a name, of minutes of use with a known person, and of those with a timetable.
-- parameters: school String, day Date
SELECT
    sumIf(c.value, c.metric = 'packets') AS packets,
    sumIf(c.value, c.metric IN ('ring_drops', 'nic_drops')) AS lost,
    sumIf(c.value, c.metric = 'slices') AS slices,
    sumIf(c.value, c.metric = 'flows') AS flows,
    sumIf(c.value, c.metric = 'flows_named') AS flows_named,
    sumIf(c.value, c.metric IN ('flows_ech', 'flows_doh', 'flows_dot', 'flows_doq', 'flows_vpn')) AS flows_hidden,
    sumIf(c.value, c.metric = 'minutes_use') AS minutes_use,
    sumIf(c.value, c.metric = 'minutes_person') AS minutes_person,
    sumIf(c.value, c.metric = 'minutes_timetabled') AS minutes_timetabled,
    if(flows > 0, flows_named / flows, NULL) AS named_share,
    if(minutes_use > 0, minutes_person / minutes_use, NULL) AS person_share,
    if(minutes_person > 0, minutes_timetabled / minutes_person, NULL) AS timetabled_share
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day = {day:Date}
